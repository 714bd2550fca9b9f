"""The catalogue: its files, its rules, its publication."""
