"""For systems downstream of the consent service (docs/CONSUMERS.md)."""

from consent_client import errors, model, words
from consent_client.http.client import ConsentClient
from consent_client.http.sync import SyncConsentClient

__all__ = [
    "ConsentClient",
    "SyncConsentClient",
    "errors",
    "model",
    "words",
]
