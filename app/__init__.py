"""Use: flow, command line, pages. Wires the rooms, computes no statistics."""
