"""`consent-watch`: the stream in a terminal."""
