"""The permission answer in the consumer's own process."""

from consent_client.gate.answers import Answer, GateReason
from consent_client.gate.gate import ConsentGate

__all__ = ["Answer", "ConsentGate", "GateReason"]
