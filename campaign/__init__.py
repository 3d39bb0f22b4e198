"""Did it work, and what next: assignment to arms and the measured effect."""
