"""The command line: each command in its own file, with `add_parser` and `run`."""
