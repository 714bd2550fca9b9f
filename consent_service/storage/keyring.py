"""Sealing values at rest (R19, R21): AES-256-GCM; every sealed value names its key beside it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from consent_service.domain.encoding import KEY_BYTES, hkdf
from consent_service.domain.identifiers import lookup_key

_NONCE = 12


class SealBroken(Exception):
    """A sealed value does not open: another key, another place, or changed bytes."""


class Keyring:
    """The service's look-up and sealing keys, by id; the first of each is in use, the others still open (CORE 13)."""

    def __init__(self, lookup: Mapping[str, bytes], sealing: Mapping[str, bytes]) -> None:
        self._lookup = dict(lookup)
        self.lookup_ids = tuple(lookup)
        self.sealing_ids = tuple(sealing)
        self.lookup_id, self.sealing_id = self.lookup_ids[0], self.sealing_ids[0]
        self._sealing = {name: AESGCM(key) for name, key in sealing.items()}
        self._controller_key = lru_cache(maxsize=1024)(self._derive)

    def _derive(self, key_id: str, controller: str) -> bytes:
        return lookup_key(self._lookup[key_id], controller)

    def lookup_keys(self, controller: str) -> list[tuple[str, bytes]]:
        """Every look-up key of a controller as (key id, key), the one in use first."""
        return [(name, self._controller_key(name, controller)) for name in self._lookup]

    def new_subject_key(self) -> bytes:
        """32 random bytes: the data key of one subject."""
        return os.urandom(32)

    def seal(self, value: bytes, place: bytes) -> bytes:
        """Seal under the service's key in use (`sealing_id`), bound to its place (a table's name and row key)."""
        return seal_under(self._sealing[self.sealing_id], value, place)

    def open(self, key_id: str, sealed: bytes, place: bytes) -> bytes:
        """Raises SealBroken."""
        key = self._sealing.get(key_id)
        if key is None:
            raise SealBroken(f"there is no sealing key {key_id!r}")
        return open_under(key, sealed, place)


def seal_under(key: AESGCM, value: bytes, place: bytes) -> bytes:
    """Nonce (12 bytes) and ciphertext with tag."""
    nonce = os.urandom(_NONCE)
    return nonce + key.encrypt(nonce, value, place)


def open_under(key: AESGCM, sealed: bytes, place: bytes) -> bytes:
    """Raises SealBroken."""
    try:
        return key.decrypt(sealed[:_NONCE], sealed[_NONCE:], place)
    except (InvalidTag, ValueError) as error:
        raise SealBroken("a sealed value does not open") from error


def seal_details(subject_key: bytes, record_id: bytes, details: bytes) -> bytes:
    """A record's details under its subject's own key, so that they go when the key goes."""
    return seal_under(_details_key(subject_key), details, b"record_details" + record_id)


def open_details(subject_key: bytes, record_id: bytes, sealed: bytes) -> bytes:
    """Raises SealBroken."""
    return open_under(_details_key(subject_key), sealed, b"record_details" + record_id)


@lru_cache(maxsize=4096)
def _details_key(subject_key: bytes) -> AESGCM:
    """Apart from the key that salts derive from, so that each key has one use."""
    return AESGCM(hkdf(subject_key, b"", b"details", KEY_BYTES))
