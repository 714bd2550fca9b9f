"""For systems downstream of the consent service (docs/CONSUMERS.md)."""
