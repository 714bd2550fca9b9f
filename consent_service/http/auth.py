"""Bearer tokens: who speaks, for which controller, and what it may do (API face 1, CORE 16).

API keys are presented in the same way, and known by what they begin with; http/api_keys.py looks them up.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

import jwt
import msgspec

from consent_service.domain.api_keys import PREFIX
from consent_service.domain.errors import UnknownController
from consent_service.domain.values import is_slug
from consent_service.http.issuers import Issuer
from consent_service.http.keys import Keys
from consent_service.http.refusals import ControllerUnknown, ScopeMissing, TokenMissing, TokenRefused
from consent_service.usecases.submissions import Caller

LEEWAY_S = 30
TOKEN_BYTES_MAX = 8192
REMEMBERED_MAX = 4096

_REQUIRED = ["iss", "aud", "exp", "sub", "controller", "scope"]
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_BEARER = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/=-]+) *")
_API_KEY = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] +(%b[A-Za-z0-9._~+/=-]*) *" % PREFIX.encode())
#: The end of the year 9999, in Unix seconds.
_LATEST = 253_402_300_799
_SUBJECT_LENGTH_MAX = 255
#: The actors that no issuer names, however written: the service, its API keys, its sites, and operators.
_OURS = re.compile(r"service|(?:key|site|cli):.*", re.IGNORECASE)

#: What went wrong, told without the token's content.
_WHY: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "The token has expired.",
    jwt.ImmatureSignatureError: "The token is not valid yet.",
    jwt.InvalidAudienceError: "The token is for another audience.",
    jwt.InvalidSignatureError: "The token's signature is not valid.",
    jwt.MissingRequiredClaimError: f"The token must have the claims {', '.join(_REQUIRED)}.",
}


class Principal(msgspec.Struct, frozen=True):
    """Who a verified token speaks for, what it may do, and until when, the leeway aside (Unix seconds)."""

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


class _Remembered(msgspec.Struct, frozen=True):
    """A token that was verified with the keys of that generation."""

    principal: Principal
    keys: Keys
    generation: int


class Bearers(Protocol):
    """Who a text speaks for that begins as API keys do (`http/api_keys.py`)."""

    async def principal(self, presented: bytes) -> Principal:
        """Raises TokenRefused, Unavailable, Overloaded."""
        ...

    def is_familiar(self, presented: bytes) -> bool:
        """Whether somebody was let in by it before."""
        ...


class Tokens:
    """Verifies tokens, and remembers the verified ones by digest until they end or their issuer's keys change."""

    def __init__(
        self,
        issuers: Iterable[Issuer],
        *,
        check_controller: Callable[[str], Awaitable[object]],
        now: Callable[[], datetime],
        api_keys: Bearers | None = None,
    ) -> None:
        """`check_controller` raises UnknownController where there is none of that name.

        Without `api_keys` a text that begins as they do is no token.
        """
        self._issuers = {issuer.trust.issuer: issuer for issuer in issuers}
        self._check_controller = check_controller
        self._now = now
        self._api_keys = api_keys
        self._remembered: dict[bytes, _Remembered] = {}

    def known(self, authorization: bytes | None) -> Principal | None:
        """Of a token verified before, else None. Raises TokenMissing, Unavailable without the issuer's keys."""
        if authorization is None:
            raise TokenMissing
        known = self._remembered.get(sha256(authorization).digest())
        if (
            known is None
            or known.generation != known.keys.generation
            or self._now().timestamp() >= known.principal.expires_at
        ):
            return None
        known.keys.check_fresh()
        return known.principal

    async def principal(self, authorization: bytes | None) -> Principal:
        """Raises Unauthenticated (401), UnknownController (403), or Unavailable without the issuer's keys."""
        known = self.known(authorization)
        if known is not None:
            return known
        assert authorization is not None
        return await self.verify(authorization)

    def is_familiar(self, authorization: bytes) -> bool:
        """Whether it is an API key that let somebody in before. Looked up every few seconds, it is never `known`."""
        if self._api_keys is None or (presented := _API_KEY.fullmatch(authorization)) is None:
            return False
        return self._api_keys.is_familiar(presented[1])

    async def verify(self, authorization: bytes) -> Principal:
        """Of one that is not known. Raises as `principal` does."""
        if self._api_keys is not None and (presented := _API_KEY.fullmatch(authorization)) is not None:
            return await self._api_keys.principal(presented[1])
        match = _BEARER.fullmatch(authorization)
        if match is None:
            raise TokenRefused("The header is not `Authorization: Bearer <token>`.")
        verified = await self._verify(match[1])
        await self._check_known(verified.principal.controller)
        self._remember(sha256(authorization).digest(), verified)
        return verified.principal

    async def _check_known(self, controller: str) -> None:
        try:
            await self._check_controller(controller)
        except UnknownController:
            raise ControllerUnknown from None

    def _remember(self, digest: bytes, verified: _Remembered) -> None:
        """The oldest is forgotten first: an attacker with valid tokens only costs verifications."""
        self._remembered.pop(digest, None)
        while len(self._remembered) >= REMEMBERED_MAX:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[digest] = verified

    async def _verify(self, token: bytes) -> _Remembered:
        """The token's own words choose whose keys are looked at, nothing else: the claims count once verified."""
        if len(token) > TOKEN_BYTES_MAX:
            raise TokenRefused(f"The token is longer than {TOKEN_BYTES_MAX} bytes.")
        kid, token_type, named = _read_unverified(token)
        issuer = self._issuers.get(named)
        key = await issuer.keys.find(kid) if issuer is not None and kid is not None else None
        if issuer is None or key is None:
            # One answer for both: strangers are not told who is believed here.
            raise TokenRefused("The token's `iss` and `kid` name no key that is believed here.")
        if token_type.lower() not in _TYPES:
            raise TokenRefused("The token's `typ` is neither JWT nor at+jwt.")
        try:
            # The algorithm is the key's, whatever the token's header says.
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=issuer.trust.audience,
                issuer=issuer.trust.issuer,
                leeway=LEEWAY_S,
                options={"require": _REQUIRED, "enforce_minimum_key_length": True},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as error:
            raise TokenRefused(_why(error)) from None
        # Read before anything is waited for: these are the keys that verified.
        generation = issuer.keys.generation
        principal = _principal(
            claims, _ends_at(claims, issuer.trust.token_age_max_s, self._now().timestamp())
        )
        if not issuer.may_speak_for(principal.controller):
            raise ControllerUnknown
        return _Remembered(principal, issuer.keys, generation)


def _read_unverified(token: bytes) -> tuple[str | None, str, str]:
    """`kid`, `typ` and `iss` as the token says them."""
    try:
        header = jwt.get_unverified_header(token)
        claims = json.loads(base64.urlsafe_b64decode(token.split(b".")[1] + b"=="))
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise TokenRefused("The token is not a JSON Web Token.") from None
    kid, token_type = header.get("kid"), header.get("typ", "JWT")
    issuer = claims.get("iss", "") if isinstance(claims, dict) else ""
    return (
        kid if isinstance(kid, str) else None,
        token_type if isinstance(token_type, str) else "",
        issuer if isinstance(issuer, str) else "",
    )


def _ends_at(claims: Mapping[str, Any], age_max_s: float | None, now: float) -> float:
    """Until when the token counts, the leeway aside (Unix seconds). Raises TokenRefused where it is too old."""
    expires_at = claims["exp"]
    # The library also takes a number in quotes.
    if not isinstance(expires_at, int | float) or expires_at > _LATEST:
        raise TokenRefused("The claim `exp` is no time.")
    if age_max_s is None:
        return float(expires_at)
    issued_at = claims.get("iat")
    if not isinstance(issued_at, int | float) or not abs(issued_at) <= _LATEST:
        raise TokenRefused("The token must say by the claim `iat` when it was issued.")
    if issued_at + age_max_s + LEEWAY_S <= now:
        raise TokenRefused("The token was issued too long ago; ask the issuer for a fresh one.")
    return float(min(expires_at, issued_at + age_max_s))


def _why(error: Exception) -> str:
    for kind, words in _WHY.items():
        if isinstance(error, kind):
            return words
    return "The token is not valid."


def _principal(claims: dict[str, Any], expires_at: float) -> Principal:
    controller, subject, scope = (claims[name] for name in ("controller", "sub", "scope"))
    purposes, recipient = claims.get("purposes"), claims.get("recipient")
    if not isinstance(controller, str) or not is_slug(controller):
        raise TokenRefused("The claim `controller` names one controller.")
    if (
        not isinstance(subject, str)
        or not 1 <= len(subject) <= _SUBJECT_LENGTH_MAX
        or not subject.isprintable()
    ):
        raise TokenRefused(f"The claim `sub` has 1 to {_SUBJECT_LENGTH_MAX} visible characters.")
    if _OURS.fullmatch(subject) is not None:
        raise TokenRefused(
            "The claim `sub` names one of the service's own: `service`, `key:`, `site:` or `cli:`."
        )
    if not isinstance(scope, str):
        raise TokenRefused("The claim `scope` is one text of names with blanks between.")
    if purposes is not None and not (
        isinstance(purposes, list) and all(isinstance(one, str) and is_slug(one) for one in purposes)
    ):
        raise TokenRefused("The claim `purposes` is a list of names.")
    if recipient is not None and not (isinstance(recipient, str) and is_slug(recipient)):
        raise TokenRefused("The claim `recipient` names one recipient.")
    return Principal(
        caller=Caller(
            controller=controller,
            subject=subject,
            purposes=None if purposes is None else frozenset(purposes),
            recipient=recipient,
        ),
        scopes=frozenset(scope.split()),
        expires_at=expires_at,
    )
