"""docs/asyncapi.yaml: fresh, what AsyncAPI 3.1 allows, and true of the messages and topics there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.descriptor import Descriptor
from jsonschema import Draft7Validator

from consent_service.events.wire.encode import encode_state
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb
from consent_service.events.wire.topics import recipients_topics, topics_of
from tests.contracts.asyncapi import DOCUMENT, proto_of, written
from tests.contracts.conftest import NPM
from tests.contracts.told import DOC, MESSAGES, fits
from tests.events.samples import GOLDEN, TRACEPARENT, a_state
from tests.events.test_contract_files import buf
from tests.events.wire import encoded
from tests.npm import INSTALL_S

#: The first one installs what npm's lock file names.
pytestmark = pytest.mark.timeout(INSTALL_S + 30)

AGREED = json.loads((NPM.parent / "events.json").read_text())


def complaints(document: Any, node_modules: Path) -> list[str]:
    """What AsyncAPI's own schema has to say."""
    schema = json.loads((node_modules / "@asyncapi" / "specs" / "schemas" / "3.1.0.json").read_text())
    return [error.json_path for error in Draft7Validator(schema).iter_errors(document)]


def resolved(reference: str) -> Any:
    """What a reference names. Raises KeyError."""
    found: Any = DOC
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found


def references(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(references(value) for value in part.values()))
    return set().union(*(references(value) for value in part)) if isinstance(part, list) else set()


def test_the_document_is_fresh() -> None:
    assert DOCUMENT.read_text() == written(), "run `make proto`"


def test_it_is_what_the_official_schema_of_asyncapi_allows(node_modules: Path) -> None:
    assert DOC["asyncapi"] == "3.1.0"
    assert complaints(DOC, node_modules) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("operations", "send-changes", "action"), "publish"),
        (("channels", "changes", "bindings", "kafka", "partitions"), 0),
        (("components", "messages", "consent.changed.v1", "headers", "type"), 1),
        (("info", "version"), None),
    ],
)
def test_the_official_schema_sees_a_fault(node_modules: Path, path: tuple[str, ...], value: Any) -> None:
    document = yaml.safe_load(DOCUMENT.read_text())
    part = document
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value

    assert complaints(document, node_modules) != []


def test_every_reference_names_something() -> None:
    found = references(DOC)

    assert len(found) > 20
    for reference in found:
        assert resolved(reference)


def test_what_is_sent_to_a_topic_is_what_lies_on_it() -> None:
    assert [operation["action"] for operation in DOC["operations"].values()] == [
        *["send"] * 4,
        "receive",
    ]
    for operation in DOC["operations"].values():
        channel = operation["channel"]["$ref"]
        sent = {reference["$ref"] for reference in operation["messages"]}
        assert sent == {f"{channel}/messages/{name}" for name in resolved(channel)["messages"]}
    assert {operation["channel"]["$ref"] for operation in DOC["operations"].values()} == {
        f"#/channels/{kind}" for kind in DOC["channels"] if kind != "dead"
    }


def test_R28_the_topics_are_all_those_of_a_prefix() -> None:
    addresses = [channel["address"].replace("{prefix}", "hr.eu") for channel in DOC["channels"].values()]

    assert addresses == [*topics_of("hr.eu"), *recipients_topics("hr.eu")]


@pytest.mark.parametrize("case", AGREED, ids=[case["name"] for case in AGREED])
def test_R26_keys_and_headers_of_every_agreed_message_are_as_the_document_says(case: Any) -> None:
    name = case["headers"]["ce_type"]
    channels = [
        channel
        for kind, channel in DOC["channels"].items()
        if case["topic"] in (None, channel["address"].replace("{prefix}", "consent"))
        and (case["topic"] or kind not in ("acks", "dead"))
    ]

    assert channels
    assert all(name in channel["messages"] for channel in channels)
    assert f"consent.v1.{MESSAGES[name]['title']}" == case["message"]
    assert fits(MESSAGES[name], case["key"], case["headers"])


@pytest.mark.parametrize("case", GOLDEN, ids=[case[0] for case in GOLDEN])
def test_headers_of_a_trace_are_told_where_they_can_come(case: Any) -> None:
    message = encoded(case[1], TRACEPARENT)
    headers = {name: value.decode() for name, value in message.headers}
    told = MESSAGES[headers["ce_type"]]

    assert fits(told, message.key.decode(), headers)
    assert set(told["headers"]["properties"]) == set(headers)
    assert set(told["headers"]["properties"]) - set(told["headers"]["required"]) == (
        {"traceparent", "ce_traceparent"} & set(headers)
    )


def test_a_header_or_a_key_too_many_or_too_few_does_not_fit() -> None:
    message = encode_state(a_state(), "consent")
    told, key = MESSAGES["consent.state.v1"], message.key.decode()
    headers = {name: value.decode() for name, value in message.headers}

    assert fits(told, key, headers)
    assert not fits(told, key, {**headers, "ce_email": "anna@example.com"})
    assert not fits(told, key, {name: value for name, value in headers.items() if name != "ce_id"})
    assert not fits(told, key, {**headers, "ce_type": "consent.changed.v1"})
    assert not fits(told, "anna@example.com", headers)


def test_every_message_of_the_proto_file_is_told_whole_in_the_text_of_the_payload() -> None:
    """The payload's text has the message itself, and all that it needs and nothing else, word for word."""
    named = {field.message_type for message in file_messages() for field in message.fields}
    roots = {message.name for message in file_messages() if message not in named}

    assert roots == {message["title"] for message in MESSAGES.values()}
    for message in MESSAGES.values():
        assert message["payload"]["schema"] == proto_of(pb.DESCRIPTOR.message_types_by_name[message["title"]])


def file_messages() -> list[Descriptor]:
    return list(pb.DESCRIPTOR.message_types_by_name.values())


def test_the_text_of_each_payload_is_proto_that_buf_builds(tmp_path: Path) -> None:
    """And the message that no other one names is the one that the document means: AsyncAPI finds it so."""
    for name, message in MESSAGES.items():
        folder = tmp_path / name / "consent" / "v1"
        folder.mkdir(parents=True)
        (folder / "events.proto").write_text(message["payload"]["schema"])
        text = message["payload"]["schema"]
        told = set(re.findall(r"^message (\w+)", text, re.MULTILINE))
        fields = set(re.findall(r"^  (?:repeated |optional )?(\w+) \w+ = \d+;", text, re.MULTILINE))

        assert buf("build", str(tmp_path / name)) == ""
        assert told - fields == {message["title"]}
