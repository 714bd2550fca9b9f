"""The same changes over HTTP, without Kafka (R32)."""
