"""Examples of the sites' interface for the documentation; a test holds each against its schema."""

from __future__ import annotations

from typing import Any

from consent_service.domain.banner_texts import BANNER_TEXTS
from consent_service.http.examples import C15T_ID, SITE

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
_GIVEN_MS, _GIVEN_AT = 1_772_353_800_000, "2026-03-01T08:30:00Z"
_TICKS = {"necessary": True, "measurement": True, "marketing": False}
_ACTIONS: dict[str, Any] = {
    "allowedActions": ["reject", "accept", "customize"],
    "primaryActions": ["reject", "accept"],
    "layout": [["reject", "accept"], "customize"],
    "direction": "row",
    "uiProfile": "balanced",
}
C15T_INIT: dict[str, Any] = {
    "jurisdiction": "GDPR",
    "location": {"countryCode": None, "regionCode": None},
    "translations": {
        "language": "en",
        "translations": {
            "common": {"acceptAll": "Accept all", "rejectAll": "Refuse all"},
            "consentTypes": {
                "marketing": {
                    "title": "Marketing",
                    "description": "Facebook pixel: We show you our vacancies on Facebook.",
                }
            },
        },
    },
    "branding": "none",
    "policy": {
        "id": SITE,
        "consent": {
            "categories": ["necessary", "measurement", "marketing", "asked-2c26b46b68ffc68ff99b453c1d304134"],
            "scopeMode": "strict",
            "gpc": True,
        },
        "ui": {"mode": "banner", "banner": _ACTIONS, "dialog": _ACTIONS},
        "model": "opt-in",
    },
    "policySnapshotToken": f"{_SCREEN}.{_SETTINGS}",
}
C15T_SAVE: dict[str, Any] = {
    "type": "cookie_banner",
    "domain": "ansettr.no",
    "preferences": _TICKS,
    "subjectId": C15T_ID,
    "givenAt": _GIVEN_MS,
    "uiSource": "dialog",
    "consentAction": "custom",
    "policySnapshotToken": f"{_SCREEN}.{_SETTINGS}",
}
C15T_SAVED: dict[str, Any] = {
    "subjectId": C15T_ID,
    "consentId": "c15t-9f86d081884c7d659a2feaa0-063907950600000",
    "domainId": SITE,
    "domain": "ansettr.no",
    "type": "cookie_banner",
    "appliedPreferences": _TICKS,
    "givenAt": _GIVEN_AT,
    "metadata": {"recorded": True, "askAgain": []},
}
C15T_READ: dict[str, Any] = {
    "subject": {"id": C15T_ID},
    "consents": [
        {
            "id": C15T_ID,
            "type": "cookie_banner",
            "policyId": SITE,
            "isLatestPolicy": True,
            "preferences": _TICKS,
            "givenAt": _GIVEN_AT,
        }
    ],
    "isValid": True,
}
C15T_PATCH: dict[str, Any] = {"externalId": "user_123", "identityProvider": "auth0"}
C15T_PATCHED: dict[str, Any] = {"success": True, "subject": {"id": C15T_ID, "externalId": "user_123"}}
