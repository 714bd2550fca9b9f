"""`consent-service token`: a token for trying things out, signed by a key of this machine (CORE 16)."""

from __future__ import annotations

import argparse
import base64
import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from consent_service.cli.arguments import duration, scopes, slug_of
from consent_service.domain.durations import Duration, add_duration, parse_duration
from consent_service.http.scopes import SCOPES
from consent_service.settings import Settings, SettingsError
from consent_service.usecases.clock import now

TTL = "P7D"
SUBJECT = "development"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "token",
        help="print a development token",
        description="Print a token signed by the local development key. Refused outside development mode.",
    )
    parser.add_argument(
        "--controller", type=slug_of("a controller"), default="ansettr", help="default: ansettr"
    )
    parser.add_argument(
        "--scope", type=scopes, action="extend", default=[], help="may be repeated; default: every scope"
    )
    parser.add_argument(
        "--recipient",
        type=slug_of("a recipient"),
        help="the recipient that acknowledges with it; default: none",
    )
    parser.add_argument(
        "--ttl", type=duration, default=TTL, help=f"ISO 8601 duration like PT1H; default: {TTL}"
    )
    parser.set_defaults(handler=run, needs_settings=True)


def run(arguments: argparse.Namespace, settings: Settings | None) -> int:
    """Print the token on a line of its own."""
    assert settings is not None
    print(
        make_token(
            settings,
            arguments.controller,
            scopes=arguments.scope or tuple(SCOPES),
            ttl=arguments.ttl,
            recipient=arguments.recipient,
        )
    )
    return 0


def make_token(
    settings: Settings,
    controller: str,
    *,
    scopes: Iterable[str] = tuple(SCOPES),
    ttl: Duration | None = None,
    subject: str = SUBJECT,
    recipient: str | None = None,
) -> str:
    """A JWT for the settings' issuer and audience. Raises SettingsError outside development mode or without a key."""
    if settings.mode != "development":
        raise SettingsError(
            "CONSENT_MODE: tokens are made in development mode alone; ask your issuer for one"
        )
    if settings.development_key is None:
        raise SettingsError("CONSENT_DEVELOPMENT_KEY: is needed: the path of the key that signs tokens")
    path = Path(settings.development_key)
    ensure_development_key(path)
    key = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    issued_at = now()
    claims: dict[str, Any] = {
        "iss": settings.token_issuer,
        "aud": settings.token_audience,
        "iat": issued_at,
        "exp": add_duration(issued_at, ttl or parse_duration(TTL)),
        "sub": subject,
        "controller": controller,
        "scope": " ".join(scopes),
    }
    if recipient is not None:
        claims["recipient"] = recipient
    return jwt.encode(
        claims,
        jwt.PyJWK(key, algorithm="EdDSA").key,
        algorithm="EdDSA",
        headers={"kid": key["kid"], "typ": "at+jwt"},
    )


def ensure_development_key(path: Path) -> Path:
    """Make the private key if there is none, and the public key set beside it. Returns the path of the key set.

    An Ed25519 key as a JSON Web Key that its owner alone can read; its id is its thumbprint (RFC 7638).
    """
    if not path.exists():
        _write(path, _new_key(), mode=0o600)
    private = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    public = {name: value for name, value in private.items() if name != "d"}
    key_set = path.with_suffix(".jwks.json")
    document = msgspec.json.encode({"keys": [public]})
    if not key_set.exists() or key_set.read_bytes() != document:
        _write(key_set, document, mode=0o644)
    return key_set


def _new_key() -> bytes:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    private = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    required = {"crv": "Ed25519", "kty": "OKP", "x": _base64url(public)}
    thumbprint = sha256(msgspec.json.encode(required, order="sorted")).digest()
    jwk = {**required, "alg": "EdDSA", "use": "sig", "kid": _base64url(thumbprint), "d": _base64url(private)}
    return msgspec.json.encode(jwk)


def _write(path: Path, content: bytes, *, mode: int) -> None:
    """All of it or nothing: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
    aside.rename(path)


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
