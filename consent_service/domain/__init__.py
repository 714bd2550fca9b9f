"""Pure rules: no I/O, no clock, no randomness. The clock's reading and new identifiers come in as arguments."""
