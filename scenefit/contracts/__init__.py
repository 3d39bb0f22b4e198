"""What the data is: tables as Python values, checked once at the door. No input or output here."""
