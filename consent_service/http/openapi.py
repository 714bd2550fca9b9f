"""The OpenAPI 3.1 document, written from the operations and the types that their bodies are read into."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from consent_service import __version__
from consent_service.domain import errors
from consent_service.domain.errors import ConsentError
from consent_service.domain.values import SLUG
from consent_service.http.examples import C15T_ID, PURPOSE, RECIPIENT, SITE
from consent_service.http.operation import REASON, Answer, Operation, Parameter
from consent_service.http.problems import MEDIA_TYPE, RETRY_AFTER, STATUS, Problem, problem_type
from consent_service.http.scopes import SCOPES
from consent_service.http.wire import C15T_SUBJECT

_REFERENCE = "#/components/schemas/{name}"
_PATH_PARAMETER = re.compile(r"\{(\w+)\}")
_UUID = {"type": "string", "format": "uuid"}
_PATH_SCHEMAS: dict[str, dict[str, Any]] = {
    "subject_id": _UUID,
    "record_id": _UUID,
    "identifier_id": _UUID,
    "purpose": {"type": "string", "pattern": f"^{SLUG}$", "maxLength": 64, "examples": [PURPOSE]},
    "recipient": {"type": "string", "pattern": f"^{SLUG}$", "maxLength": 64, "examples": [RECIPIENT]},
    "site_key": {"type": "string", "pattern": f"^{SLUG}$", "maxLength": 64, "examples": [SITE]},
    "version": {"type": "integer", "minimum": 1},
    "c15t_subject": {"type": "string", "pattern": f"^{C15T_SUBJECT}$", "examples": [C15T_ID]},
}
_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "The caller's own id, or one made here; it stands in the log too.",
        "schema": {"type": "string"},
    },
    "Idempotency-Replayed": {
        "description": "`true` where an earlier answer is given again.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "ETag": {
        "description": "In quotes: a purpose version's number, or what changes with a notice.",
        "schema": {"type": "string"},
    },
    "Cache-Control": {
        "description": "For how long it may be kept, in seconds.",
        "schema": {"type": "string"},
    },
    "Content-Language": {"description": "The language of the texts.", "schema": {"type": "string"}},
    "Vary": {"description": "The request headers on which the answer depends.", "schema": {"type": "string"}},
    "RateLimit-Policy": {
        "description": 'The limits: name, requests, seconds (`"visitor";q=60;w=60`).',
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": 'What is left of each, and in how many seconds it is whole again (`"visitor";r=59;t=1`).',
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds until it is worth asking again.",
        "schema": {"type": "integer"},
    },
    "WWW-Authenticate": {"description": "The bearer challenge.", "schema": {"type": "string"}},
}
#: What msgspec's types cannot say: exactly one of two fields.
_ONE_OF = {
    "DecisionSubject": ("subject_id", "identifiers"),
    "PermissionQuery": ("subject_id", "identifier"),
}
_DESCRIPTION = """\
What each person has agreed to, per purpose, under which text, since when.

Unknown fields are refused. Times are RFC 3339, ids are UUIDs. Errors are problem documents (RFC 9457): `type` is
stable and is the address of a page that explains it. Every changing `POST` takes an `Idempotency-Key`, but for
acknowledgements, which change nothing when they come again, and choices, which have an id of their own. Lists take
`limit` and `after`, and answer `{items, next}`. Every answer has an `X-Request-Id`; a W3C `traceparent` goes through
to the event.

Under `/site/v1` browsers call, without a token: from pages whose origin is one of the site's. Limits are told by
`RateLimit-Policy` and `RateLimit`; 429 with `Retry-After` is over one.
"""


_RULINGS = re.compile(r"\s*\((?:R\d|CORE)[^)]*\)")


def openapi_document(operations: Sequence[Operation], public_url: str) -> dict[str, Any]:
    """The whole document, ready to be written as JSON. The first server is wherever the document came from."""
    types = list({repr(kind): kind for one in operations for kind in _types(one)}.values())
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template=_REFERENCE)
    for component in components.values():
        if "description" in component:
            # Numbers of the design's rulings are for those who read the code.
            component["description"] = _RULINGS.sub("", component["description"])
    of_type = {repr(kind): schema for kind, schema in zip([*types, Problem], schemas, strict=True)}
    for name, fields in _ONE_OF.items():
        _demand_one_of(components[name], fields)
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for operation in operations:
        paths[operation.path][operation.method.lower()] = _operation(operation, of_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Consent service",
            "version": __version__,
            "summary": "The interface for systems and for browsers",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}, {"url": public_url}],
        "tags": [{"name": tag} for tag in dict.fromkeys(one.tag for one in operations)],
        "paths": dict(paths),
        "components": {
            "schemas": components,
            "headers": _HEADERS,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token of an issuer that the service knows (claims: iss, aud, exp, sub, "
                    "controller, scope), or an API key. Scopes:\n\n"
                    + "\n".join(f"- `{scope}`: {meaning}" for scope, meaning in SCOPES.items()),
                }
            },
        },
    }


def problems_of(operation: Operation) -> list[type[ConsentError]]:
    """Every problem that the operation may answer: those that follow from its form, and its own."""
    found: list[type[ConsentError]] = [ConsentError]
    if operation.scope is not None:
        found += [
            errors.Unauthenticated,
            errors.InsufficientScope,
            errors.UnknownController,
            errors.InvalidRequest,
            errors.TooManyRequests,
            errors.Unavailable,
        ]
    else:
        found += [errors.InvalidRequest]
    if "{" in operation.path or operation.path.endswith("/lookup"):
        found += [errors.NotFound]
    if operation.body is not None:
        found += [errors.UnsupportedMediaType, errors.TooLarge]
    return list(dict.fromkeys([*found, *operation.problems]))


def _types(operation: Operation) -> Iterable[Any]:
    if operation.body is not None:
        yield operation.body
    for answer in operation.answers:
        if answer.body is not None:
            yield answer.body


def _operation(operation: Operation, of_type: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_parameters(operation)],
        "responses": _responses(operation, of_type),
        "security": [] if operation.scope is None else [{"token": [operation.scope]}],
    }
    if operation.description:
        described["description"] = operation.description
    if operation.scope is not None:
        described["description"] = f"{operation.description}\n\nScope: `{operation.scope}`.".strip()
    if operation.body is not None:
        described["requestBody"] = {
            "required": operation.body_needed,
            "content": _content("application/json", of_type[repr(operation.body)], operation.body_example),
        }
    return described


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": (
                {"type": "string", "enum": list(operation.path_enums[name])}
                if name in operation.path_enums
                else _PATH_SCHEMAS[name]
            ),
        }
        for name in _PATH_PARAMETER.findall(operation.path)
    ]


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    def described(parameter: Parameter, place: str) -> dict[str, Any]:
        return {
            "name": parameter.name,
            "in": place,
            "required": parameter.required,
            "description": parameter.description,
            "schema": parameter.schema,
        }

    return [
        *(described(parameter, "query") for parameter in operation.query),
        *(described(parameter, "header") for parameter in operation.headers),
        *([described(REASON, "header")] if operation.scope is not None else []),
    ]


def _responses(operation: Operation, of_type: dict[str, Any]) -> dict[str, Any]:
    responses = {str(answer.status): _answer(answer, of_type) for answer in operation.answers}
    by_status: dict[int, list[type[ConsentError]]] = defaultdict(list)
    for problem in problems_of(operation):
        by_status[STATUS[problem.slug]].append(problem)
    for status in sorted(by_status):
        responses[str(status)] = _problem_response(status, by_status[status])
    return responses


def _answer(answer: Answer, of_type: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": answer.description,
        "headers": _header_references("X-Request-Id", *answer.headers),
    }
    if answer.body is not None:
        described["content"] = _content(answer.media_type, of_type[repr(answer.body)], answer.example)
    return described


def _problem_response(status: int, problems: list[type[ConsentError]]) -> dict[str, Any]:
    headers = ["X-Request-Id"]
    if any(problem.slug in RETRY_AFTER for problem in problems):
        headers.append("Retry-After")
    if status in (401, 403):
        headers.append("WWW-Authenticate")
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(problem.slug for problem in problems)}.",
        "headers": _header_references(*headers),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": _REFERENCE.format(name="Problem")},
                "examples": {problem.slug: {"value": _problem_example(problem)} for problem in problems},
            }
        },
    }


def _problem_example(problem: type[ConsentError]) -> dict[str, Any]:
    return {
        "type": problem_type(problem.slug),
        "title": problem.title,
        "status": STATUS[problem.slug],
        "detail": f"{problem.title}.",
    }


def _header_references(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _content(media_type: str, schema: Any, example: Any) -> dict[str, Any]:
    content = {"schema": schema}
    if example is not None:
        content["examples"] = {"example": {"value": example}}
    return {media_type: content}


def _demand_one_of(schema: dict[str, Any], fields: tuple[str, str]) -> None:
    """Exactly one of both; a field that is null counts as absent."""
    for name in fields:
        kinds = [kind for kind in schema["properties"][name].get("anyOf", ()) if kind.get("type") != "null"]
        if kinds:
            schema["properties"][name] = kinds[0]
    schema["oneOf"] = [{"required": [name]} for name in fields]
