"""Features: definitions as values, point-in-time history, online reads. The only room that imports Feast."""
