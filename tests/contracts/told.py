"""What docs/asyncapi.yaml tells, and whether a message is as it tells."""

from __future__ import annotations

from typing import Any

import yaml
from jsonschema import Draft7Validator

from tests.contracts.asyncapi import DOCUMENT

DOC: dict[str, Any] = yaml.safe_load(DOCUMENT.read_text())
MESSAGES: dict[str, Any] = DOC["components"]["messages"]


def fits(message: dict[str, Any], key: str, headers: dict[str, str]) -> bool:
    """Whether key and headers are as the document says, and no header is one that it does not name."""
    told = {**message["headers"], "additionalProperties": False}
    return Draft7Validator(told).is_valid(headers) and Draft7Validator(
        message["bindings"]["kafka"]["key"]
    ).is_valid(key)
