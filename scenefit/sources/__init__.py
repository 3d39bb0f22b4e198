"""Data in: importers that turn other people's tables into the contract."""
