"""Where it runs: settings, workspace and store, parallel map, models on disk, jobs, audit chain, log."""
