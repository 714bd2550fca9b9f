"""From the outbox to Kafka (R26, R30, R31)."""
