"""How fast the service is, each figure beside what the same machine does at best in the same minutes."""
