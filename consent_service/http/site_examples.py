"""Examples of the sites' interface for the documentation; a test holds each against its schema."""

from __future__ import annotations

from typing import Any

from consent_service.domain.banner_texts import BANNER_TEXTS
from consent_service.http.examples import SITE

_SCREEN = "5f1de2a0c9d4b8e7a5c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1"
_SETTINGS = "a15de2a0c9d4b8e7a5c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1"

NOTICE: dict[str, Any] = {
    "site": SITE,
    "controller": "Ansettr AS",
    "language": "en",
    "languages": ["en", "nb"],
    "screen_hash": _SCREEN,
    "texts": BANNER_TEXTS["en"],
    "layers": [
        {
            "layer": "banner",
            "buttons": ["accept_all", "refuse_all", "settings", "close"],
            "screen_hash": _SCREEN,
        },
        {
            "layer": "settings",
            "buttons": ["accept_all", "refuse_all", "save", "close"],
            "screen_hash": _SETTINGS,
        },
    ],
    "purposes": [
        {
            "purpose": "facebook-piksel",
            "version": 1,
            "language": "en",
            "notice_hash": "6f1f2a0c9d4b8e7a5c3d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b",
            "notice": {"name": "Facebook pixel", "description": "We advertise jobs on Facebook."},
            "choices": ["given", "refused", "withdrawn", "deferred"],
            "allowed_by_default": False,
            "legal_bases": ["consent"],
            "confirmation": "none",
            "shares_or_sells": True,
            "recipients": [{"slug": "facebook", "name": "Facebook", "role": "third_party"}],
            "transfers": [],
            "data_categories": ["cookies", "site_visit"],
            "retention": [{"trigger": "not_stated"}],
            "renew_after": None,
            "ask_again_after": {"refused": "P6M", "deferred": "P7D"},
            "cookies": [{"name": "_fbp", "provider": "Facebook", "lifetime": "P90D"}],
        }
    ],
    "links": {
        "contacts": [{"type": "email", "value": "post@ansettr.no", "use": "controller contact"}],
        "complaint": "Datatilsynet",
    },
}
CHOICE: dict[str, Any] = {
    "choice_id": "c_9Jq2vK7xWm4TzR1uYb0dPg",
    "language": "en",
    "screen_hash": _SCREEN,
    "layer": "banner",
    "choices": {"facebook-piksel": "refused"},
    "button": "refuse_all",
    "path": "/jobs",
}
_CONSENT: dict[str, Any] = {
    "purpose": "facebook-piksel",
    "status": "refused",
    "version": 1,
    "since": "2026-03-01T08:30:00.123456Z",
    "ask_again_at": "2026-09-01T08:30:00.123456Z",
    "permission": {
        "allowed": False,
        "reason": "refused",
        "status": "refused",
        "version": 1,
        "until": None,
    },
}
CONSENTS: dict[str, Any] = {"consents": [_CONSENT]}
CHOSEN: dict[str, Any] = {
    "consents": [_CONSENT],
    "ask_again": [{"purpose": "nettstedanalyse-matomo", "reason": "outdated"}],
}
