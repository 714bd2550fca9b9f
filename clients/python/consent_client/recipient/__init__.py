"""The base on which a downstream system is written: start, stop, acknowledge (R34)."""
