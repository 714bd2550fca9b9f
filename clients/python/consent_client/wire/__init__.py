"""The Kafka contract as bytes: proto/consent/v1/events.proto in CloudEvents' binary mode (docs/EVENTS.md)."""
