"""The guard's table against the design's, and against what the routes do (API face 1)."""

from __future__ import annotations

import re

from consent_service.http.routes import OPERATIONS, SCOPES_NEEDED
from consent_service.http.scopes import SCOPES
from consent_service.http.site_endpoint import SITES
from tests.http.conftest import UNKNOWN_ID, Api
from tests.http.tables import rows, told

#: What a token must carry, as the interface promises it.
NEEDED = """
POST   | /v1/subjects                                             | subjects:write
POST   | /v1/subjects/lookup                                      | subjects:read
GET    | /v1/subjects/{subject_id}                                | consents:read
GET    | /v1/subjects/{subject_id}/identifiers                    | identifiers:read
POST   | /v1/subjects/{subject_id}/identifiers                    | subjects:write
DELETE | /v1/subjects/{subject_id}/identifiers/{identifier_id}    | subjects:write
POST   | /v1/subjects/{subject_id}/consents/{purpose}/{command}   | consents:write
POST   | /v1/decisions                                            | consents:write
GET    | /v1/subjects/{subject_id}/permissions/{purpose}          | consents:read
POST   | /v1/permissions                                          | consents:read
GET    | /v1/subjects/{subject_id}/records                        | consents:read
GET    | /v1/records/{record_id}                                  | consents:read
GET    | /v1/records/{record_id}/propagation                      | consents:read
POST   | /v1/acknowledgements                                     | acknowledgements:write
GET    | /v1/recipients                                           | recipients:read
GET    | /v1/recipients/{recipient}/pending                       | recipients:read
GET    | /v1/purposes                                             | catalogue:read
GET    | /v1/purposes/{purpose}                                   | catalogue:read
PUT    | /v1/purposes/{purpose}                                   | catalogue:write
GET    | /v1/purposes/{purpose}/versions/{version}                | catalogue:read
GET    | /v1/purposes/{purpose}/draft                             | catalogue:read
GET    | /v1/changes                                              | changes:read
GET    | /v1/states                                               | changes:read
GET    | /site/v1/{site_key}/notice                               | none
GET    | /site/v1/{site_key}/consents                             | none
POST   | /site/v1/{site_key}/consents                             | none
GET    | /site/v1/{site_key}/c15t/init                            | none
POST   | /site/v1/{site_key}/c15t/subjects                        | none
GET    | /site/v1/{site_key}/c15t/subjects/{c15t_subject}         | none
PATCH  | /site/v1/{site_key}/c15t/subjects/{c15t_subject}         | none
GET    | /healthz                                                 | none
GET    | /readyz                                                  | none
GET    | /metrics                                                 | none
"""


def test_every_operation_needs_the_scope_that_the_interface_promises() -> None:
    promised = {(method, path): None if scope == "none" else scope for method, path, scope in rows(NEEDED, 3)}
    assert promised == SCOPES_NEEDED
    assert {scope for scope in promised.values() if scope} <= set(SCOPES)


def filled(path: str) -> str:
    return (
        re.sub(r"\{version\}", "1", re.sub(r"\{\w+_id\}", UNKNOWN_ID, path))
        .replace("{purpose}/{command}", "newsletter/withdraw")
        .replace("{purpose}", "newsletter")
        .replace("{recipient}", "matomo")
        .replace("{site_key}", "no-such-site")
    )


async def test_every_route_asks_for_its_scope_and_for_no_other(api: Api) -> None:
    for operation in OPERATIONS:
        path = filled(operation.path)
        if operation.path.startswith(SITES):
            assert told(await api.client.request(operation.method, path)) == "404 not-found"
            continue
        if operation.scope is None:
            assert (await api.client.request(operation.method, path)).status_code == 200
            continue
        without = api.issuer.sign(scope=" ".join(scope for scope in SCOPES if scope != operation.scope))
        refused = await api(operation.method, path, token=without)
        assert told(refused) == "403 insufficient-scope", operation.name
        assert f'scope="{operation.scope}"' in refused.headers["www-authenticate"]
        alone = await api(operation.method, path, token=api.issuer.sign(scope=operation.scope))
        assert alone.status_code not in (401, 403), operation.name
        assert (await api.client.request(operation.method, path)).status_code == 401, operation.name
