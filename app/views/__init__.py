"""Pages of the app, one file per view."""
