"""The stream: outbox to Kafka, its encoding, and reading it back (docs/EVENTS.md)."""
