"""What a stranger asks about somebody else's things: every operation of the interface, and what it gets.

A stranger is another controller of the same database, with a valid token of every scope. Values in angle brackets are
the ones of whom it asks about, `<mine>` its own person; `newsletter`, `analytics` and `matomo` both have.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import msgspec

from consent_service.http.operation import Operation
from consent_service.http.routes import OPERATIONS
from tests.http.tables import rows

Values = Mapping[str, str]

CONTENT = {"legal_bases": ["consent"], "notices": {"en": {"name": "Renewed", "description": "Said anew."}}}

#: Method | path | what a stranger gets | what is sent beside | body. Beside: claims of the token, headers; key is the
#: Idempotency-Key, and what is sent with one was sent before by whom it is about, as was what has the id `<choice>` or the token `<my_token>`.
#: With api-key no token is sent but the asker's own API key, its text saying that it is a key of whom is asked about.
#: Under /site the asker is a browser on a page of its own site, with the id that the others' visitor has on theirs.
ASKED = """
POST   | /v1/subjects/lookup                                               | 404 not-found                               | -                     | {"identifiers": [<email>]}
POST   | /v1/permissions                                                   | 200                                         | -                     | {"queries": [{"identifier": <email>, "purpose": "newsletter"}]}
POST   | /v1/permissions                                                   | 200                                         | -                     | {"queries": [{"identifier": <email>, "purpose": "newsletter"}], "as_of": "<moment>"}
POST   | /v1/permissions                                                   | 422 unknown-reference /queries/0/subject_id | -                     | {"queries": [{"subject_id": "<subject>", "purpose": "newsletter"}]}
POST   | /v1/permissions                                                   | 422 unknown-reference /queries/0/subject_id | -                     | {"queries": [{"subject_id": "<subject>", "purpose": "newsletter"}], "as_of": "<moment>"}
POST   | /v1/permissions                                                   | 422 unknown-reference /queries/0/purpose    | -                     | {"queries": [{"subject_id": "<mine>", "purpose": "<purpose>"}]}
GET    | /v1/subjects/<subject>                                            | 404 not-found                               | -                     | -
GET    | /v1/subjects/<subject>?as_of=<moment>                             | 404 not-found                               | -                     | -
GET    | /v1/subjects/<subject>/records                                    | 404 not-found                               | -                     | -
GET    | /v1/subjects/<subject>/records?purpose=newsletter&as_of=<moment>  | 404 not-found                               | -                     | -
GET    | /v1/subjects/<mine>/records?limit=1&after=<records_after>         | 200                                         | -                     | -
GET    | /v1/subjects/<subject>/permissions/newsletter                     | 404 not-found                               | -                     | -
GET    | /v1/subjects/<subject>/permissions/newsletter?as_of=<moment>      | 404 not-found                               | -                     | -
GET    | /v1/subjects/<mine>/permissions/<purpose>                         | 404 not-found                               | -                     | -
GET    | /v1/subjects/<subject>/identifiers                                | 404 not-found                               | -                     | -
GET    | /v1/subjects/<subject>/identifiers                                | 404 not-found                               | purposes=newsletter   | -
GET    | /v1/subjects/<mine>/identifiers?limit=1&after=<identifiers_after> | 200                                         | -                     | -
GET    | /v1/records/<record>                                              | 404 not-found                               | -                     | -
GET    | /v1/records/<record>/propagation                                  | 404 not-found                               | -                     | -
GET    | /v1/recipients                                                    | 200                                         | -                     | -
GET    | /v1/recipients                                                    | 200                                         | recipient=matomo      | -
GET    | /v1/recipients?limit=1&after=<recipients_after>                   | 200                                         | -                     | -
GET    | /v1/recipients/matomo/pending                                     | 200                                         | -                     | -
GET    | /v1/recipients/matomo/pending                                     | 200                                         | purposes=<purpose>    | -
GET    | /v1/recipients/matomo/pending?limit=1&after=<pending_after>       | 200                                         | -                     | -
GET    | /v1/recipients/<recipient>/pending                                | 404 not-found                               | recipient=<recipient> | -
GET    | /v1/purposes                                                      | 200                                         | -                     | -
GET    | /v1/purposes?limit=1&after=<purposes_after>                       | 200                                         | -                     | -
GET    | /v1/purposes/newsletter                                           | 200                                         | -                     | -
GET    | /v1/purposes/<purpose>                                            | 404 not-found                               | -                     | -
GET    | /v1/purposes/newsletter/versions/<version>                        | 404 not-found                               | -                     | -
GET    | /v1/purposes/newsletter/draft                                     | 200                                         | -                     | -
GET    | /v1/purposes/<purpose>/draft                                      | 404 not-found                               | -                     | -
GET    | /v1/states                                                        | 200                                         | -                     | -
GET    | /v1/states                                                        | 200                                         | purposes=<purpose>    | -
GET    | /v1/states?limit=1&after=<states_after>                           | 200                                         | -                     | -
POST   | /v1/acknowledgements                                              | 422 unknown-reference /records/0/record_id  | recipient=matomo      | {"recipient": "matomo", "records": [{"record_id": "<record>", "outcome": "accepted", "at": "<now>", "due_at": "<soon>"}]}
POST   | /v1/acknowledgements                                              | 422 unknown-reference /records/0/record_id  | recipient=matomo      | {"recipient": "matomo", "records": [{"record_id": "<record>", "outcome": "started", "at": "<now>"}]}
POST   | /v1/subjects/<subject>/identifiers                                | 404 not-found                               | -                     | {"identifiers": [<phone>]}
POST   | /v1/subjects/<mine>/identifiers                                   | 201                                         | -                     | {"identifiers": [<phone>]}
POST   | /v1/subjects                                                      | 201                                         | key=<who>-1           | {"identifiers": [<email>]}
POST   | /v1/decisions                                                     | 201                                         | key=<who>-2           | {"subject": {"identifiers": [<visitor>]}, "decisions": [{"purpose": "newsletter", "command": "defer"}]}
POST   | /v1/subjects/<subject>/consents/analytics/object                  | 404 not-found                               | key=<who>-3           | -
POST   | /v1/decisions                                                     | 422 unknown-reference /subject/subject_id   | -                     | {"subject": {"subject_id": "<subject>"}, "decisions": [{"purpose": "newsletter", "command": "defer"}]}
POST   | /v1/decisions                                                     | 422 unknown-reference /decisions/0/purpose  | -                     | {"subject": {"subject_id": "<mine>"}, "decisions": [{"purpose": "<purpose>", "command": "withdraw"}]}
POST   | /v1/decisions                                                     | 201                                         | -                     | {"subject": {"identifiers": [<email>]}, "decisions": [{"purpose": "analytics", "command": "object"}]}
POST   | /v1/subjects/<subject>/consents/newsletter/grant                  | 404 not-found                               | -                     | {"version": <version>, "channel": "paper", "occurred_at": "<moment>", "evidence": {"form": "1"}}
POST   | /v1/subjects/<subject>/consents/newsletter/withdraw               | 404 not-found                               | -                     | {}
POST   | /v1/subjects/<mine>/consents/<purpose>/withdraw                   | 404 not-found                               | -                     | {}
DELETE | /v1/subjects/<subject>/identifiers/<phone_id>                     | 404 not-found                               | -                     | -
DELETE | /v1/subjects/<mine>/identifiers/<email_id>                        | 404 not-found                               | -                     | -
GET    | /v1/subjects/<subject>                                            | 401 unauthenticated                         | api-key=<who>         | -
GET    | /site/v1/<my_site>/consents                                       | 200                                         | origin=<my_origin> visitor=<browser> | -
POST   | /site/v1/<my_site>/consents                                       | 201                                         | origin=<my_origin> visitor=<browser> | {"choice_id": "<choice>", "language": "nb", "screen_hash": "<my_screen>", "layer": "banner", "choices": {"newsletter": "given"}}
POST   | /site/v1/<my_site>/consents                                       | 201                                         | origin=<my_origin> visitor=<browser> | {"choice_id": "another-<choice>", "language": "nb", "screen_hash": "<screen>", "layer": "banner", "choices": {"newsletter": "given", "analytics": "refused"}}
POST   | /site/v1/<my_site>/consents                                       | 422 unknown-reference /choices/theirs       | origin=<my_origin> visitor=<browser> | {"choice_id": "third-<choice>", "language": "nb", "screen_hash": "<screen>", "layer": "banner", "choices": {"<purpose>": "refused"}}
GET    | /site/v1/<my_site>/notice                                         | 200                                         | origin=<my_origin>    | -
GET    | /site/v1/<my_site>/c15t/init                                      | 200                                         | origin=<my_origin>    | -
GET    | /site/v1/<my_site>/c15t/subjects/<c15t>                           | 404 not-found                               | origin=<my_origin>    | -
POST   | /site/v1/<my_site>/c15t/subjects                                  | 201                                         | origin=<my_origin>    | {"type": "cookie_banner", "subjectId": "<c15t>", "givenAt": 1772353800000, "domain": "a.example", "preferences": {"measurement": true, "marketing": false}, "policySnapshotToken": "<my_token>"}
POST   | /site/v1/<my_site>/c15t/subjects                                  | 201                                         | origin=<my_origin>    | {"type": "cookie_banner", "subjectId": "<c15t>", "givenAt": 1772353900000, "domain": "a.example", "preferences": {"measurement": true, "marketing": false}, "policySnapshotToken": "<token>"}
PATCH  | /site/v1/<my_site>/c15t/subjects/<c15t>                           | 200                                         | origin=<my_origin>    | {"externalId": "user_1"}
PUT    | /v1/purposes/newsletter?draft=true                                | 200                                         | -                     | {}
PUT    | /v1/purposes/<purpose>?draft=true                                 | 201                                         | -                     | {}
PUT    | /v1/purposes/newsletter                                           | 412 version-mismatch                        | if-match="<version>"  | <content>
PUT    | /v1/purposes/<purpose>                                            | 201                                         | -                     | <content>
GET    | /v1/changes?after=<event>                                         | 200                                         | -                     | -
GET    | /v1/changes                                                       | 200                                         | last-event-id=<event> | -
GET    | /v1/changes?after=<event>                                         | 200                                         | purposes=<purpose>    | -
GET    | /healthz                                                          | 200                                         | -                     | -
GET    | /readyz                                                           | 200                                         | -                     | -
GET    | /metrics                                                          | 200                                         | -                     | -
"""

_HEADERS = {
    "key": "idempotency-key",
    "if-match": "if-match",
    "last-event-id": "last-event-id",
    "origin": "origin",
    "visitor": "consent-visitor",
}
_TEMPLATES = sorted(
    ((re.compile(re.sub(r"\{\w+\}", "[^/]+", one.path)), one) for one in OPERATIONS),
    key=lambda found: found[1].path.count("{"),
)


class Request(msgspec.Struct, frozen=True):
    """One line of the table with its values filled in; `claims` go into the token.

    `key_of` is the controller that the text of the asker's API key names; null where a token is sent.
    """

    line: str
    method: str
    path: str
    body: str | None
    claims: dict[str, str | list[str]]
    headers: dict[str, str]
    key_of: str | None = None

    @property
    def text(self) -> str:
        """All that the asker knows by itself."""
        return f"{self.line} {self.path} {self.body} {self.claims} {self.headers}"


class Asked(msgspec.Struct, frozen=True):
    """A line of the table. `gets` is what a stranger gets, as `told` says it."""

    method: str
    path: str
    gets: str
    beside: str
    body: str

    @property
    def line(self) -> str:
        return f"{self.method} {self.path} {self.beside} {self.body}"

    @property
    def is_repeated(self) -> bool:
        """Whether whoever it is about has sent it before, with the same key."""
        return self.beside.startswith("key=") or '"<choice>"' in self.body or '"<my_token>"' in self.body

    @property
    def operation(self) -> Operation:
        """Raises LookupError where the line asks for nothing that there is."""
        path = self.path.partition("?")[0]
        for template, operation in _TEMPLATES:
            if operation.method == self.method and template.fullmatch(path):
                return operation
        raise LookupError(self.line)

    def about(self, values: Values) -> Request:
        """The request with these values."""
        claims: dict[str, str | list[str]] = {}
        headers: dict[str, str] = {}
        key_of = None
        for word in [] if self.beside == "-" else self.beside.split():
            name, _, value = word.partition("=")
            value = _filled(value, values)
            if name in _HEADERS:
                headers[_HEADERS[name]] = value
            elif name == "api-key":
                key_of = value
            else:
                claims[name] = [value] if name == "purposes" else value
        body = (
            None
            if self.body == "-"
            else _filled(self.body, {**values, "content": json.dumps({**CONTENT, "change": "material"})})
        )
        return Request(self.line, self.method, _filled(self.path, values), body, claims, headers, key_of)


def _filled(text: str, values: Values) -> str:
    return re.sub(r"<(\w+)>", lambda found: values[found[1]], text)


QUESTIONS = [Asked(*cells) for cells in rows(ASKED, 5)]
