"""The Kafka contract as messages, both ways (docs/EVENTS.md)."""
