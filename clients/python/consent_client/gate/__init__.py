"""The permission answer in the consumer's own process, fail-closed (R33)."""
