"""One file per claim against a peer or the physical limit: `python -m benchmarks --list`."""
