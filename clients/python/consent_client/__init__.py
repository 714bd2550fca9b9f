"""For systems downstream of the consent service (docs/CONSUMERS.md)."""

from consent_client import errors, model, words
from consent_client.gate.answers import Answer, GateReason
from consent_client.gate.gate import ConsentGate
from consent_client.http.client import ConsentClient
from consent_client.http.sync import SyncConsentClient
from consent_client.recipient import Accepted, Begin, Limits, MappingKey, Recipient
from consent_client.words import Outcome

__all__ = [
    "Accepted",
    "Answer",
    "Begin",
    "ConsentClient",
    "ConsentGate",
    "GateReason",
    "Limits",
    "MappingKey",
    "Outcome",
    "Recipient",
    "SyncConsentClient",
    "errors",
    "model",
    "words",
]
