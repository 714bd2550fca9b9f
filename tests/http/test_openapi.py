"""The OpenAPI document: valid, whole, and the same as what the routes do (API)."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from consent_service.http.examples import C15T_ID, RECIPIENT, SITE
from consent_service.http.openapi import openapi_document, problems_of
from consent_service.http.problems import STATUS
from consent_service.http.routes import OPERATIONS
from consent_service.http.scopes import SCOPES
from consent_service.http.site_endpoint import SITES
from tests.http.conftest import Api
from tests.http.tables import told

DOCUMENT: dict[str, Any] = json.loads(
    msgspec.json.encode(openapi_document(OPERATIONS, "https://consent.example"))
)

#: Their answers are compared in tests/http/test_changes.py and test_states.py.
WITH_KAFKA = ("/v1/changes", "/v1/states")


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, described)
        for path, item in DOCUMENT["paths"].items()
        for method, described in item.items()
    ]


def fits(schema: dict[str, Any], value: Any) -> None:
    """Raises where the value is not what the schema says."""
    Draft202012Validator({**schema, "components": DOCUMENT["components"]}).validate(value)


def test_the_document_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_every_operation_is_described_with_scope_answers_and_problems() -> None:
    described = {(method.upper(), path): one for method, path, one in operations()}
    assert set(described) == {(one.method, one.path) for one in OPERATIONS}
    assert len({one["operationId"] for one in described.values()}) == len(OPERATIONS)
    for operation in OPERATIONS:
        one = described[operation.method, operation.path]
        expected = [] if operation.scope is None else [{"token": [operation.scope]}]
        assert one["security"] == expected
        statuses = {str(answer.status) for answer in operation.answers}
        statuses |= {str(STATUS[problem.slug]) for problem in problems_of(operation)}
        assert set(one["responses"]) == statuses


def test_the_security_scheme_names_every_scope() -> None:
    description = DOCUMENT["components"]["securitySchemes"]["token"]["description"]
    assert all(f"`{scope}`" in description for scope in SCOPES)


@pytest.mark.parametrize(("method", "path", "described"), operations())
def test_every_example_is_what_its_schema_says(method: str, path: str, described: dict[str, Any]) -> None:
    bodies = [described["requestBody"]] if "requestBody" in described else []
    contents = [
        content
        for body in (*bodies, *described["responses"].values())
        for content in body.get("content", {}).values()
    ]
    assert contents or described["responses"]["204"]
    for content in contents:
        for example in content.get("examples", {}).values():
            fits(content["schema"], example["value"])
    assert not bodies or "examples" in bodies[0]["content"]["application/json"]


async def test_what_the_routes_answer_is_what_the_document_says(api: Api) -> None:
    """One call of each operation, with the example where it has one; the answer is checked against its schema."""
    token = api.issuer.sign(recipient=RECIPIENT)
    person, known = await api.person(), api.somebody()
    await api("POST", "/v1/subjects", {"identifiers": [known]})
    record = (await api.says(person, "newsletter", "grant", evidence={"form": "footer"})).json()["record"]
    held = await api("GET", f"/v1/subjects/{person}/identifiers")
    await api("PUT", "/v1/purposes/newsletter?draft=true", {"change": "editorial"})
    values = {
        "subject_id": person,
        "record_id": record["record_id"],
        "identifier_id": held.json()["items"][0]["identifier_id"],
        "purpose": "newsletter",
        "recipient": RECIPIENT,
        "command": "withdraw",
        "version": "1",
        "site_key": SITE,
        "c15t_subject": C15T_ID,
    }
    browser = {"origin": "https://ansettr.no", "consent-visitor": api.somebody()["value"]}
    for method, path, described in sorted(operations(), key=lambda one: one[0] in ("put", "delete")):
        if path in WITH_KAFKA:
            continue
        filled = path
        for name, value in values.items():
            filled = filled.replace(f"{{{name}}}", value)
        body = None
        if "requestBody" in described:
            body = described["requestBody"]["content"]["application/json"]["examples"]["example"]["value"]
            body = json.loads(
                json.dumps(body)
                .replace("nettstedanalyse-matomo", "newsletter")
                .replace("facebook-piksel", "analytics")
            )
            body = (
                {"queries": [{"subject_id": person, "purpose": "newsletter"}]} if "queries" in body else body
            )
            body = {**body, "version": 1} if filled.endswith("/withdraw") else body
            if "identifiers" in body:
                body = {"identifiers": [known if path.endswith("/lookup") else api.somebody()]}
            if "recipient" in body:
                body["records"][0] |= {"record_id": record["record_id"]}
            if "decisions" in body:
                body["decisions"] = body["decisions"][:1]
        headers = browser if path.startswith(SITES) else None
        answer = await api(method.upper(), filled, body, token=token, headers=headers)
        assert str(answer.status_code) in described["responses"], (method, path, told(answer))
        assert answer.status_code < 400, (method, path, answer.text)
        content = described["responses"][str(answer.status_code)].get("content", {})
        for media_type, kind in content.items():
            assert answer.headers["content-type"].startswith(media_type)
            if media_type == "application/json":
                fits(kind["schema"], answer.json())
        for header in described["responses"][str(answer.status_code)]["headers"]:
            assert header in answer.headers or header == "Idempotency-Replayed"


async def test_problem_documents_are_what_the_document_says(api: Api) -> None:
    answer = await api("POST", "/v1/decisions", {})
    fits({"$ref": "#/components/schemas/Problem"}, answer.json())


def test_unknown_fields_are_refused_in_the_document_too() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    for name in (
        "CommandBody",
        "Decision",
        "DecisionsBody",
        "IdentifiersBody",
        "PermissionQuery",
        "PurposeInput",
    ):
        assert schemas[name]["additionalProperties"] is False, name


def test_exactly_one_way_to_name_a_person_in_the_document_too() -> None:
    query = DOCUMENT["components"]["schemas"]["PermissionQuery"]
    valid = Draft202012Validator({**query, "components": DOCUMENT["components"]}).is_valid
    person, identifier = "0198c5a2-7d10-7c3e-9a41-5b0f4d2e8a67", {"type": "email", "value": "a@b.no"}
    assert valid({"purpose": "newsletter", "subject_id": person})
    assert valid({"purpose": "newsletter", "identifier": identifier})
    assert not valid({"purpose": "newsletter"})
    assert not valid({"purpose": "newsletter", "subject_id": person, "identifier": identifier})
