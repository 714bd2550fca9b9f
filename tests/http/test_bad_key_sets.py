"""Key sets with anything in them: refused, or nothing but keys that verify (STANDARDS 7.8)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_service.http.documents import KeysUnusable
from consent_service.http.keys import read_key_set
from tests.http.issuers import Issuer
from tests.soak import soak

pytestmark = [pytest.mark.soak, pytest.mark.timeout(soak(180, 900))]

ISSUER = Issuer()
GOOD: list[dict[str, Any]] = [ISSUER.public_jwk(kid) for kid in ("rsa", "ec", "ed")]
MEMBERS = ("kty", "kid", "use", "alg", "crv", "x", "y", "n", "e", "d", "key_ops", "oth", "k")
PUBLIC = {"RS256": rsa.RSAPublicKey, "ES256": ec.EllipticCurvePublicKey, "EdDSA": ed25519.Ed25519PublicKey}

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    # What stands elsewhere in a key set, where it does not belong.
    | st.sampled_from(
        [value for key in GOOD for value in key.values()] + ["oct", "AQ", "", "enc", "verify", "P-384"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=3),
    max_leaves=4,
)
keys = st.builds(
    lambda good, changes, dropped: {
        name: value for name, value in {**good, **changes}.items() if name not in dropped
    },
    st.sampled_from(GOOD),
    st.dictionaries(st.sampled_from(MEMBERS), values, max_size=3),
    st.sets(st.sampled_from(MEMBERS), max_size=1),
)
many = settings(max_examples=soak(200, 4_000), deadline=None, derandomize=bool(soak(1, 0)), print_blob=True)


def read(document: bytes) -> set[str]:
    """The ids of the keys that are used; none where the document is refused."""
    try:
        found = read_key_set(document)
    except KeysUnusable:
        return set()
    assert all(isinstance(key.key, PUBLIC[key.algorithm]) for key in found.values())
    return set(found)


@many
@given(st.lists(keys | values, max_size=4))
async def test_one_bad_key_spoils_no_other(bad: list[Any]) -> None:
    good = {**GOOD[2], "kid": "the good one"}
    among = read(json.dumps({"keys": [*(one for one in bad if isinstance(one, dict)), good]}).encode())
    assert "the good one" in among


@many
@given(st.binary(max_size=60) | values.map(lambda value: json.dumps(value).encode()))
async def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    assert read(document) == set()
    read(b'{"keys": ' + document + b"}")
