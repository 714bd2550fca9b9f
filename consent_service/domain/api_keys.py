"""The text of an API key: whose it is, which one, a secret that nobody guesses, and a checksum over all of it.

    consent_<controller>_<key id>_<secret, 43 letters and digits><checksum, 8 hexadecimal digits>

It begins the same way always and has a checksum, so that scanners for secrets find it in files, and what was mistyped
or cut off is told without a look into the database. The checksum proves nothing: anybody can compute it.
"""

from __future__ import annotations

import re
import string
from datetime import datetime
from hashlib import sha256
from zlib import crc32

import msgspec

from consent_service.domain.values import SLUG

PREFIX = "consent_"
KEY_ID_ALPHABET = string.ascii_lowercase + string.digits
KEY_ID_LENGTH = 12
SECRET_ALPHABET = string.ascii_letters + string.digits
#: 62 ** 43 is more than 2 ** 256.
SECRET_LENGTH = 43
#: A slug has at most 64 characters.
LENGTH_MAX = len(PREFIX) + 64 + 1 + KEY_ID_LENGTH + 1 + SECRET_LENGTH + 8

_FORM = re.compile(
    rf"{PREFIX}(?P<controller>{SLUG})_(?P<key_id>[a-z0-9]{{{KEY_ID_LENGTH}}})_"
    rf"[A-Za-z0-9]{{{SECRET_LENGTH}}}(?P<checksum>[0-9a-f]{{8}})"
)


class ApiKeyName(msgspec.Struct, frozen=True):
    """Which key it is. Nothing of it is secret."""

    controller: str
    key_id: str

    @property
    def prefix(self) -> str:
        """What the key's text begins with, for those who look for it in files and settings."""
        return f"{PREFIX}{self.controller}_{self.key_id}"


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its hash. `purposes` and `recipient` as of a token: null means all of them, and none."""

    controller: str
    key_id: str
    name: str
    scopes: tuple[str, ...]
    purposes: tuple[str, ...] | None
    recipient: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


def write_api_key(name: ApiKeyName, secret: str) -> str:
    """The whole text, as its holder presents it. `secret` is SECRET_LENGTH characters of SECRET_ALPHABET."""
    text = f"{name.prefix}_{secret}"
    return text + _checksum(text)


def read_api_key(text: str) -> ApiKeyName | None:
    """Which key the text is of, if it is whole; not whether there is such a key."""
    found = _FORM.fullmatch(text)
    if found is None or _checksum(text[: found.start("checksum")]) != found["checksum"]:
        return None
    return ApiKeyName(found["controller"], found["key_id"])


def hash_api_key(text: str) -> bytes:
    """What is kept of a key. A fast hash will do: of 2 ** 256 secrets none is found by trying (decision 0011)."""
    return sha256(text.encode()).digest()


def _checksum(text: str) -> str:
    return f"{crc32(text.encode()):08x}"
