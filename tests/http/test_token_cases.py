"""The answer to each token, its challenge, and what is told: one table (API face 1, CORE 16, RFC 8725, RFC 6750)."""

from __future__ import annotations

import pytest

from tests.http.conftest import Api
from tests.http.tables import rows, told
from tests.http.tokens import TOKENS

CHALLENGES = {
    "401": 'Bearer realm="consent-service", error="invalid_token"',
    "403": 'Bearer realm="consent-service", error="insufficient_scope"',
}


_CLAIMS = "iss, aud, exp, sub, controller, scope"
_NO_KEY = "The token's `iss` and `kid` name no key that is believed here."
_NO_TOKEN = "The token is not a JSON Web Token."  # noqa: S105  a sentence
_SUB = "The claim `sub` has 1 to 255 visible characters."
_OURS = "The claim `sub` names one of the service's own: `service`, `key:`, `site:` or `cli:`."

#: The token | the answer | what is told
ANSWERS = f"""
rsa                           | 200 | -
ec                            | 200 | -
ed                            | 200 | -
audience in a list            | 200 | -
expired 20 s ago              | 200 | -
valid in 20 s                 | 200 | -
issued in 20 s                | 200 | -
without iat                   | 200 | -
sub like the service's own    | 200 | -
typ JWT                       | 200 | -
typ AT+JWT                    | 200 | -
typ in full                   | 200 | -
with members nobody knows     | 200 | -
expired                       | 401 | The token has expired.
expired long ago              | 401 | The token has expired.
valid tomorrow                | 401 | The token is not valid yet.
issued tomorrow               | 401 | The token is not valid yet.
exp in words                  | 401 | The token is not valid.
exp in quotes                 | 401 | The claim `exp` is no time.
exp beyond all time           | 401 | The claim `exp` is no time.
exp true                      | 401 | The token has expired.
nbf in words                  | 401 | The token is not valid.
another issuer                | 401 | {_NO_KEY}
issuer and a slash            | 401 | {_NO_KEY}
issuer in capitals            | 401 | {_NO_KEY}
part of the issuer            | 401 | {_NO_KEY}
issuers in a list             | 401 | {_NO_KEY}
without iss                   | 401 | {_NO_KEY}
another audience              | 401 | The token is for another audience.
other audiences               | 401 | The token is for another audience.
no audience in the list       | 401 | The token must have the claims {_CLAIMS}.
audience with a prefix        | 401 | The token is for another audience.
audience in a group           | 401 | The token is for another audience.
without aud                   | 401 | The token must have the claims {_CLAIMS}.
without exp                   | 401 | The token must have the claims {_CLAIMS}.
without sub                   | 401 | The token must have the claims {_CLAIMS}.
without controller            | 401 | The token must have the claims {_CLAIMS}.
without scope                 | 401 | The token must have the claims {_CLAIMS}.
controller no slug            | 401 | The claim `controller` names one controller.
two controllers               | 401 | The claim `controller` names one controller.
sub empty                     | 401 | {_SUB}
sub with a NUL                | 401 | {_SUB}
sub half a pair               | 401 | {_SUB}
sub with a control of Latin-1 | 401 | {_SUB}
sub that turns the line       | 401 | {_SUB}
sub with a line's end         | 401 | {_SUB}
sub long                      | 401 | {_SUB}
sub the service's own         | 401 | {_OURS}
sub an API key's              | 401 | {_OURS}
sub a site's                  | 401 | {_OURS}
sub an operator's             | 401 | {_OURS}
sub an operator's in capitals | 401 | {_OURS}
sub with a colon              | 200 | -
scopes in a list              | 401 | The claim `scope` is one text of names with blanks between.
purposes a text               | 401 | The claim `purposes` is a list of names.
purposes with a NUL           | 401 | The claim `purposes` is a list of names.
purposes half a pair          | 401 | The claim `purposes` is a list of names.
recipient a list              | 401 | The claim `recipient` names one recipient.
recipient no slug             | 401 | The claim `recipient` names one recipient.
typ of a proof                | 401 | The token's `typ` is neither JWT nor at+jwt.
typ a list                    | 401 | The token's `typ` is neither JWT nor at+jwt.
typ empty                     | 401 | The token's `typ` is neither JWT nor at+jwt.
kid unknown                   | 401 | {_NO_KEY}
kid empty                     | 401 | {_NO_KEY}
kid a path                    | 401 | {_NO_KEY}
kid a statement               | 401 | {_NO_KEY}
kid with a line end           | 401 | {_NO_KEY}
without kid                   | 401 | {_NO_KEY}
kid a number                  | 401 | {_NO_TOKEN}
kid a list                    | 401 | {_NO_TOKEN}
crit unknown                  | 401 | {_NO_TOKEN}
crit empty                    | 401 | {_NO_TOKEN}
crit a text                   | 401 | {_NO_TOKEN}
crit without its member       | 401 | {_NO_TOKEN}
crit private                  | 401 | {_NO_TOKEN}
detached payload              | 401 | {_NO_TOKEN}
alg none                      | 401 | The token is not valid.
alg None                      | 401 | The token is not valid.
alg nOnE                      | 401 | The token is not valid.
alg none without kid          | 401 | {_NO_KEY}
alg empty                     | 401 | The token is not valid.
without alg                   | 401 | The token is not valid.
alg a list                    | 401 | The token is not valid.
HS256 with the RSA key in PEM | 401 | The token is not valid.
HS256 with the RSA key in DER | 401 | The token is not valid.
HS512 with the RSA key in PEM | 401 | The token is not valid.
HS256 with the RSA key as JWK | 401 | The token is not valid.
HS256 with the EC key in PEM  | 401 | The token is not valid.
HS256 with the EC key's point | 401 | The token is not valid.
HS256 with the EC key as JWK  | 401 | The token is not valid.
HS256 with the Ed key in PEM  | 401 | The token is not valid.
HS256 with the Ed key's bytes | 401 | The token is not valid.
HS384 with the Ed key's bytes | 401 | The token is not valid.
RS384 with the RSA key        | 401 | The token is not valid.
RS512 with the RSA key        | 401 | The token is not valid.
PS256 with the RSA key        | 401 | The token is not valid.
the EC key for RSA's          | 401 | The token is not valid.
the Ed key for EC's           | 401 | The token is not valid.
a key of a stranger           | 401 | The token's signature is not valid.
an own key                    | 401 | The token's signature is not valid.
an own key in jwk             | 401 | The token's signature is not valid.
an own key behind jku         | 401 | The token's signature is not valid.
an own key behind x5u         | 401 | The token's signature is not valid.
an own key in x5c             | 401 | The token's signature is not valid.
another token's claims        | 401 | The token's signature is not valid.
no signature                  | 401 | The token's signature is not valid.
a signature of zeros          | 401 | The token's signature is not valid.
an EC signature in DER        | 401 | The token's signature is not valid.
half a signature              | 401 | The token's signature is not valid.
a letter                      | 401 | {_NO_TOKEN}
two dots                      | 401 | {_NO_TOKEN}
three letters                 | 401 | {_NO_TOKEN}
three empty groups            | 401 | {_NO_KEY}
an encrypted token            | 401 | {_NO_TOKEN}
claims that are a list        | 401 | {_NO_KEY}
claims that are no JSON       | 401 | {_NO_TOKEN}
claims nested deeply          | 401 | {_NO_TOKEN}
8192 letters                  | 401 | {_NO_TOKEN}
8193 letters                  | 401 | The token is longer than 8192 bytes.
huge, and signed              | 401 | The token is longer than 8192 bytes.
huge header                   | 401 | The token is longer than 8192 bytes.
unknown controller            | 403 | The token's controller is not known here.
"""


def test_every_token_has_an_answer() -> None:
    assert [token for token, _, _ in rows(ANSWERS, 3)] == list(TOKENS)


@pytest.mark.parametrize(("token", "status", "why"), rows(ANSWERS, 3))
async def test_each_token_is_answered_as_it_should_be(api: Api, token: str, status: str, why: str) -> None:
    """RFC 8725 for what is refused, RFC 6750 section 3 for the challenge. Once more it is answered the same."""
    made = TOKENS[token](api.issuer)
    for _ in range(2):
        answer = await api("GET", "/v1/purposes", token=made)
        assert answer.status_code == int(status), answer.text
        assert answer.headers.get("www-authenticate") == CHALLENGES.get(status)
        if status != "200":
            assert told(answer) in ("401 unauthenticated", "403 unknown-controller")
            assert answer.json()["detail"] == why


#: What stands in the header `Authorization` | the answer's challenge
HEADERS = """
Bearer             | Bearer realm="consent-service", error="invalid_token"
bearer             | Bearer realm="consent-service", error="invalid_token"
Basic a2FyaQ==     | Bearer realm="consent-service", error="invalid_token"
Bearer a b         | Bearer realm="consent-service", error="invalid_token"
Bearer x,y         | Bearer realm="consent-service", error="invalid_token"
Bearer \xe6        | Bearer realm="consent-service", error="invalid_token"
Bearer x, Bearer y | Bearer realm="consent-service", error="invalid_token"
token              | Bearer realm="consent-service", error="invalid_token"
DPoP e30.e30.e30   | Bearer realm="consent-service", error="invalid_token"
"""


@pytest.mark.parametrize(("header", "challenge"), rows(HEADERS, 2))
async def test_what_is_no_bearer_header_is_401(api: Api, header: str, challenge: str) -> None:
    for value in (header, header + " "):
        answer = await api.client.get("/v1/purposes", headers=[(b"authorization", value.encode("latin-1"))])
        assert told(answer) == "401 unauthenticated"
        assert answer.headers["www-authenticate"] == challenge


async def test_a_scheme_is_read_in_any_case_and_blanks_around_the_token_are_dropped(api: Api) -> None:
    for header in (f"bearer {api.issuer.sign()}", f"BEARER   {api.issuer.sign()}  "):
        assert told(await api.client.get("/v1/purposes", headers={"authorization": header})) == "200"


async def test_without_a_token_the_challenge_names_no_error(api: Api) -> None:
    """RFC 6750 section 3.1."""
    answer = await api.client.get("/v1/purposes")
    assert told(answer) == "401 unauthenticated"
    assert answer.headers["www-authenticate"] == 'Bearer realm="consent-service"'


async def test_two_authorization_headers_are_401(api: Api) -> None:
    good, bad = f"Bearer {api.issuer.sign()}", "Bearer x"
    for pair in ((good, good), (good, bad), (bad, good), (good, "")):
        answer = await api.client.get("/v1/purposes", headers=[("authorization", value) for value in pair])
        assert told(answer) == "401 unauthenticated"
        assert answer.headers["www-authenticate"] == CHALLENGES["401"]
