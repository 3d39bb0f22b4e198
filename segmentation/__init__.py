"""Who belongs together: encoders, the sweep over k, mined subgroups, profiles."""
