"""Bearer tokens: who speaks, for which controller, and what it may do (API face 1, CORE 16)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from hashlib import sha256
from typing import Any

import jwt
import msgspec

from consent_service.domain.values import is_slug
from consent_service.http.keys import Keys
from consent_service.http.refusals import ScopeMissing, TokenMissing, TokenRefused
from consent_service.usecases.submissions import Caller

LEEWAY_S = 30
TOKEN_BYTES_MAX = 8192
REMEMBERED_MAX = 4096

_REQUIRED = ["iss", "aud", "exp", "sub", "controller", "scope"]
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/=-]+) *")
#: The end of the year 9999, in Unix seconds.
_LATEST = 253_402_300_799
_SUBJECT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,255}")

#: What went wrong, told without the token's content.
_WHY: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "The token has expired.",
    jwt.ImmatureSignatureError: "The token is not valid yet.",
    jwt.InvalidAudienceError: "The token is for another audience.",
    jwt.InvalidIssuerError: "The token comes from another issuer.",
    jwt.InvalidSignatureError: "The token's signature is not valid.",
    jwt.MissingRequiredClaimError: f"The token must have the claims {', '.join(_REQUIRED)}.",
}


class Principal(msgspec.Struct, frozen=True):
    """Who a verified token speaks for, what it may do, and until when (Unix seconds)."""

    caller: Caller
    scopes: frozenset[str]
    expires_at: float

    @property
    def controller(self) -> str:
        return self.caller.controller

    def check_scope(self, scope: str) -> None:
        """Raises ScopeMissing (403)."""
        if scope not in self.scopes:
            raise ScopeMissing(scope)


class Tokens:
    """Verifies tokens, and remembers the verified ones by digest until they expire or the keys change."""

    def __init__(
        self,
        keys: Keys,
        *,
        issuer: str,
        audience: str,
        check_controller: Callable[[str], Awaitable[object]],
        now: Callable[[], datetime],
    ) -> None:
        """`check_controller` raises UnknownController where there is none of that name."""
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._check_controller = check_controller
        self._now = now
        self._remembered: dict[bytes, Principal] = {}
        self._generation = keys.generation

    def known(self, authorization: bytes | None) -> Principal | None:
        """Of a token that was verified before, else None. Raises TokenMissing, or Unavailable without keys."""
        if authorization is None:
            raise TokenMissing
        self._keys.check_fresh()
        self._forget_if_keys_changed()
        known = self._remembered.get(sha256(authorization).digest())
        return known if known is not None and self._now().timestamp() < known.expires_at else None

    async def principal(self, authorization: bytes | None) -> Principal:
        """Raises Unauthenticated (401), UnknownController (403), or Unavailable without keys."""
        known = self.known(authorization)
        if known is not None:
            return known
        assert authorization is not None
        match = _BEARER.fullmatch(authorization)
        if match is None:
            raise TokenRefused("The header is not `Authorization: Bearer <token>`.")
        principal = await self._verify(match[1])
        verified_with = self._keys.generation
        await self._check_controller(principal.controller)
        self._forget_if_keys_changed()
        if verified_with == self._generation:
            self._remember(sha256(authorization).digest(), principal)
        return principal

    def _forget_if_keys_changed(self) -> None:
        if self._generation != self._keys.generation:
            self._remembered.clear()
            self._generation = self._keys.generation

    def _remember(self, digest: bytes, principal: Principal) -> None:
        """The oldest is forgotten first: an attacker with valid tokens only costs verifications."""
        self._remembered.pop(digest, None)
        while len(self._remembered) >= REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[digest] = principal

    async def _verify(self, token: bytes) -> Principal:
        if len(token) > TOKEN_BYTES_MAX:
            raise TokenRefused(f"The token is longer than {TOKEN_BYTES_MAX} bytes.")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise TokenRefused("The token is not a JSON Web Token.") from None
        kid = header.get("kid")
        key = await self._keys.find(kid) if isinstance(kid, str) else None
        if key is None:
            raise TokenRefused("The token's `kid` names none of the issuer's keys.")
        token_type = header.get("typ", "JWT")
        if not isinstance(token_type, str) or token_type.lower() not in _TYPES:
            raise TokenRefused("The token's `typ` is neither JWT nor at+jwt.")
        try:
            # The algorithm is the key's, whatever the token's header says.
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": _REQUIRED, "enforce_minimum_key_length": True},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise TokenRefused(_why(error)) from None
        return _principal(claims)


def _why(error: Exception) -> str:
    for kind, words in _WHY.items():
        if isinstance(error, kind):
            return words
    return "The token is not valid."


def _principal(claims: dict[str, Any]) -> Principal:
    controller, subject, scope, expires_at = (claims[name] for name in ("controller", "sub", "scope", "exp"))
    purposes, recipient = claims.get("purposes"), claims.get("recipient")
    if not isinstance(controller, str) or not is_slug(controller):
        raise TokenRefused("The claim `controller` names one controller.")
    if not isinstance(subject, str) or _SUBJECT.fullmatch(subject) is None:
        raise TokenRefused("The claim `sub` has 1 to 255 characters, no control characters.")
    if not isinstance(scope, str):
        raise TokenRefused("The claim `scope` is one text of names with blanks between.")
    if purposes is not None and not (
        isinstance(purposes, list) and all(isinstance(one, str) for one in purposes)
    ):
        raise TokenRefused("The claim `purposes` is a list of names.")
    if recipient is not None and not (isinstance(recipient, str) and is_slug(recipient)):
        raise TokenRefused("The claim `recipient` names one recipient.")
    # The library also takes a number in quotes.
    if not isinstance(expires_at, int | float) or expires_at > _LATEST:
        raise TokenRefused("The claim `exp` is no time.")
    return Principal(
        caller=Caller(
            controller=controller,
            subject=subject,
            purposes=None if purposes is None else frozenset(purposes),
            recipient=recipient,
        ),
        scopes=frozenset(scope.split()),
        expires_at=float(expires_at),
    )
