"""Tokens as issuers, strangers and attackers make them, by name (tests/http/test_token_cases.py has the answers)."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.http.issuers import AUDIENCE, ISSUER, Issuer

#: Makes a token, given who signs good ones.
Maker = Callable[[Issuer], str]


def at(seconds: int) -> Callable[[], int]:
    """So many seconds from the moment of the call."""
    return lambda: int(time.time()) + seconds


def claims(kid: str = "ed", /, **changed: Any) -> Maker:
    """Signed as it should be, with these claims; one that is None is left out."""
    return lambda issuer: issuer.sign(
        kid, **{name: value() if callable(value) else value for name, value in changed.items()}
    )


def header(kid: str = "ed", /, **changed: Any) -> Maker:
    """Signed as it should be, with these members of the header."""
    return lambda issuer: issuer.sign(kid, changed)


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def message(issuer: Issuer, **head: Any) -> str:
    """A header and good claims, not signed."""
    return f"{encoded(json.dumps(head).encode())}.{issuer.sign().split('.')[1]}"


def unsigned(**head: Any) -> Maker:
    return lambda issuer: message(issuer, **head) + "."


def by_public_key(kid: str, how: str, algorithm: str = "HS256") -> Maker:
    """RFC 8725 section 2.1: the published key, as text of some kind, taken for a shared secret."""

    def make(issuer: Issuer) -> str:
        public = issuer.private[kid].public_key()
        match how:
            case "pem":
                secret = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            case "der":
                secret = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            case "raw":
                form = Encoding.X962, PublicFormat.UncompressedPoint
                secret = public.public_bytes_raw() if kid == "ed" else public.public_bytes(*form)
            case _:
                secret = json.dumps(issuer.public_jwk(kid)).encode()
        text = message(issuer, alg=algorithm, kid=kid, typ="JWT")
        return f"{text}.{encoded(hmac.digest(secret, text.encode(), f'sha{algorithm[2:]}'))}"

    return make


def signed_otherwise(kid: str, algorithm: str) -> Maker:
    """By the right key, with an algorithm that is not the key's own here."""

    def make(issuer: Issuer) -> str:
        good = jwt.decode(issuer.sign(), options={"verify_signature": False})
        return jwt.encode(good, issuer.private[kid], algorithm=algorithm, headers={"kid": kid})

    return make


def with_own_key(**head: Any) -> Maker:
    """Signed by a key that nobody published, and that the token itself recommends."""

    def make(issuer: Issuer) -> str:
        own = ed25519.Ed25519PrivateKey.generate()
        jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(own.public_key()))
        named = {"jwk": jwk} if "jwk" in head else head
        text = message(issuer, alg="EdDSA", kid="ed", typ="JWT", **named)
        return f"{text}.{encoded(own.sign(text.encode()))}"

    return make


def with_signature(kid: str, change: Callable[[bytes], bytes]) -> Maker:
    """A good token, its signature changed."""

    def make(issuer: Issuer) -> str:
        text, _, signature = issuer.sign(kid).rpartition(".")
        return f"{text}.{encoded(change(base64.urlsafe_b64decode(signature + '==')))}"

    return make


def as_der(signature: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))


def of_another_controller(issuer: Issuer) -> str:
    """The claims of one token with the signature of another."""
    head, _, signature = issuer.sign().split(".")
    return f"{head}.{issuer.sign(controller='sonh').split('.')[1]}.{signature}"


def nested(depth: int) -> Maker:
    return lambda issuer: f"{issuer.sign().split('.')[0]}.{encoded(b'[' * depth)}.AAAA"


TOKENS: dict[str, Maker] = {
    "rsa": claims("rsa"),
    "ec": claims("ec"),
    "ed": claims("ed"),
    "audience in a list": claims(aud=["other", AUDIENCE]),
    "expired 20 s ago": claims(exp=at(-20)),
    "valid in 20 s": claims(nbf=at(20)),
    "issued in 20 s": claims(iat=at(20)),
    "without iat": claims(iat=None),
    "sub like the service's own": claims(sub="service-1"),
    "typ JWT": header(typ="JWT"),
    "typ AT+JWT": header(typ="AT+JWT"),
    "typ in full": header(typ="application/at+jwt"),
    "with members nobody knows": header(cty="x", x5t="y"),
    # Time.
    "expired": claims(exp=at(-31)),
    "expired long ago": claims(exp=1),
    "valid tomorrow": claims(nbf=at(86_400)),
    "issued tomorrow": claims(iat=at(86_400)),
    "exp in words": claims(exp="soon"),
    "exp in quotes": claims(exp=str(2**33)),
    "exp beyond all time": claims(exp=10**400),
    "exp true": claims(exp=True),
    "nbf in words": claims(nbf="now"),
    # Whose, and for whom.
    "another issuer": claims(iss="https://elsewhere.example"),
    "issuer and a slash": claims(iss=ISSUER + "/"),
    "issuer in capitals": claims(iss=ISSUER.upper()),
    "part of the issuer": claims(iss=ISSUER[:-1]),
    "issuers in a list": claims(iss=[ISSUER]),
    "without iss": claims(iss=None),
    "another audience": claims(aud="other"),
    "other audiences": claims(aud=["a", "b"]),
    "no audience in the list": claims(aud=[]),
    "audience with a prefix": claims(aud=AUDIENCE + "s"),
    "audience in a group": claims(aud={AUDIENCE: 1}),
    "without aud": claims(aud=None),
    "without exp": claims(exp=None),
    "without sub": claims(sub=None),
    "without controller": claims(controller=None),
    "without scope": claims(scope=None),
    # Claims of another form.
    "controller no slug": claims(controller="No Slug"),
    "two controllers": claims(controller=["ansettr", "sonh"]),
    "sub empty": claims(sub=""),
    "sub with a NUL": claims(sub="a\0b"),
    "sub half a pair": claims(sub="\ud800"),
    "sub with a control of Latin-1": claims(sub="a\x9b31m"),
    "sub that turns the line": claims(sub="a\u202eb"),
    "sub with a line's end": claims(sub="a\u2028b"),
    "sub long": claims(sub="x" * 256),
    "sub the service's own": claims(sub="service"),
    "sub an API key's": claims(sub="key:abcdefghijk0"),
    "sub a site's": claims(sub="site:ansettr-web"),
    "sub an operator's": claims(sub="cli:root"),
    "sub an operator's in capitals": claims(sub="CLI:root"),
    "sub with a colon": claims(sub="clients:web"),
    "scopes in a list": claims(scope=["catalogue:read"]),
    "purposes a text": claims(purposes="newsletter"),
    "purposes with a NUL": claims(purposes=["newsletter\0"]),
    "purposes half a pair": claims(purposes=["\ud800"]),
    "recipient a list": claims(recipient=["brevo"]),
    "recipient no slug": claims(recipient="No Slug"),
    # The header.
    "typ of a proof": header(typ="dpop+jwt"),
    "typ a list": header(typ=["JWT"]),
    "typ empty": unsigned(alg="EdDSA", kid="ed", typ=""),
    "kid unknown": header(kid="nobody"),
    "kid empty": header(kid=""),
    "kid a path": header(kid="../../key"),
    "kid a statement": header(kid="' or 1 = 1 --"),
    "kid with a line end": header(kid="ed\n"),
    "without kid": unsigned(alg="EdDSA", typ="JWT"),
    "kid a number": unsigned(alg="EdDSA", kid=7),
    "kid a list": unsigned(alg="EdDSA", kid=["ed"]),
    "crit unknown": header(crit=["exp"], exp=1),
    "crit empty": header(crit=[]),
    "crit a text": header(crit="b64"),
    "crit without its member": header(crit=["b64"]),
    "crit private": header(crit=["must"], must=True),
    "detached payload": header(crit=["b64"], b64=False),
    # Not signed, or by nobody who may.
    "alg none": unsigned(alg="none", kid="ed", typ="JWT"),
    "alg None": unsigned(alg="None", kid="ed", typ="JWT"),
    "alg nOnE": unsigned(alg="nOnE", kid="rsa", typ="JWT"),
    "alg none without kid": unsigned(alg="none", typ="JWT"),
    "alg empty": unsigned(alg="", kid="ed"),
    "without alg": unsigned(kid="ed", typ="JWT"),
    "alg a list": unsigned(alg=["EdDSA"], kid="ed"),
    "HS256 with the RSA key in PEM": by_public_key("rsa", "pem"),
    "HS256 with the RSA key in DER": by_public_key("rsa", "der"),
    "HS512 with the RSA key in PEM": by_public_key("rsa", "pem", "HS512"),
    "HS256 with the RSA key as JWK": by_public_key("rsa", "jwk"),
    "HS256 with the EC key in PEM": by_public_key("ec", "pem"),
    "HS256 with the EC key's point": by_public_key("ec", "raw"),
    "HS256 with the EC key as JWK": by_public_key("ec", "jwk"),
    "HS256 with the Ed key in PEM": by_public_key("ed", "pem"),
    "HS256 with the Ed key's bytes": by_public_key("ed", "raw"),
    "HS384 with the Ed key's bytes": by_public_key("ed", "raw", "HS384"),
    "RS384 with the RSA key": signed_otherwise("rsa", "RS384"),
    "RS512 with the RSA key": signed_otherwise("rsa", "RS512"),
    "PS256 with the RSA key": signed_otherwise("rsa", "PS256"),
    "the EC key for RSA's": header("ec", kid="rsa"),
    "the Ed key for EC's": header("ed", kid="ec"),
    "a key of a stranger": lambda _: Issuer().sign(),
    "an own key": with_own_key(),
    "an own key in jwk": with_own_key(jwk=True),
    "an own key behind jku": with_own_key(jku="https://evil.example/keys.json"),
    "an own key behind x5u": with_own_key(x5u="https://evil.example/chain.pem"),
    "an own key in x5c": with_own_key(x5c=["MIIB"]),
    "another token's claims": of_another_controller,
    "no signature": with_signature("ed", lambda _: b""),
    "a signature of zeros": with_signature("ec", lambda _: bytes(64)),
    "an EC signature in DER": with_signature("ec", as_der),
    "half a signature": with_signature("rsa", lambda signature: signature[:128]),
    # No tokens at all.
    "a letter": lambda _: "x",
    "two dots": lambda _: "..",
    "three letters": lambda _: "a.b.c",
    "three empty groups": lambda _: "e30.e30.e30",
    "an encrypted token": lambda _: "e30.AAAA.AAAA.AAAA.AAAA",
    "claims that are a list": lambda issuer: f"{issuer.sign().split('.')[0]}.{encoded(b'[]')}.AAAA",
    "claims that are no JSON": lambda issuer: f"{issuer.sign().split('.')[0]}.{encoded(b'{')}.AAAA",
    "claims nested deeply": nested(5_000),
    "8192 letters": lambda _: "x" * 8192,
    "8193 letters": lambda _: "x" * 8193,
    "huge, and signed": claims(note="x" * 9_000),
    "huge header": header(note="x" * 9_000),
    # Good ones that may not.
    "unknown controller": claims(controller="nobody"),
}
