"""Writes docs/asyncapi.yaml: the stream as an AsyncAPI 3.1 document, from the code and the proto file.

`python -m tests.contracts.asyncapi`, which is part of `make proto`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from consent_client.wire.envelope import DEAD_LETTER
from google.protobuf.descriptor import Descriptor, EnumDescriptor

from consent_service.domain.values import SLUG
from consent_service.events.wire.acknowledgements import ACKNOWLEDGED
from consent_service.events.wire.encode import CHANGED, PURPOSE_PUBLISHED, STATE
from consent_service.events.wire.heartbeats import HEARTBEAT
from consent_service.events.wire.messages import CONTENT_TYPE
from consent_service.events.wire.notices import (
    IDENTIFIER_LINKED,
    IDENTIFIER_REMOVED,
    RECIPIENT_LATE,
    RENEWAL_DUE,
)
from consent_service.events.wire.pb.consent.v1 import events_pb2 as pb
from consent_service.events.wire.topics import PARTITIONS, SETTINGS, kind_of, recipients_topics, topics_of
from tests.events.samples import GOLDEN, TRACEPARENT, Event
from tests.events.wire import encoded

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "asyncapi.yaml"
PROTO = ROOT / "proto" / "consent" / "v1" / "events.proto"

BINDING = "0.5.0"
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z"
TRACE = "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"

#: Of each CloudEvents type: what key and headers look like where that is its own.
PATTERNS: dict[str, dict[str, str]] = {
    CHANGED: {"key": UUID, "ce_id": UUID, "ce_subject": f"{UUID}(/{SLUG})?"},
    STATE: {
        "key": f"{SLUG}/{UUID}(/{SLUG})?",
        "ce_id": rf"({UUID}|{UUID}(/{SLUG})?/\d+)/state",
    },
    PURPOSE_PUBLISHED: {"key": f"{SLUG}/{SLUG}", "ce_id": rf"{SLUG}/\d+", "ce_subject": SLUG},
    HEARTBEAT: {
        "key": r"heartbeat/\d+",
        "ce_id": r"heartbeat/\d+/\d{8}T\d{6}\.\d{6}Z",
        "ce_source": "urn:consent-service:relay",
    },
    RENEWAL_DUE: {"key": UUID, "ce_id": UUID, "ce_subject": f"{UUID}/{SLUG}"},
    IDENTIFIER_LINKED: {"key": UUID, "ce_id": UUID, "ce_subject": UUID},
    IDENTIFIER_REMOVED: {"key": UUID, "ce_id": UUID, "ce_subject": UUID},
    ACKNOWLEDGED: {"key": UUID, "ce_id": UUID, "ce_subject": UUID},
    DEAD_LETTER: {"key": "[!-~]+", "ce_id": UUID},
    RECIPIENT_LATE: {"key": UUID, "ce_id": UUID, "ce_subject": f"{UUID}/{SLUG}"},
}
#: Of each header: what it says, and its pattern where all types share it; otherwise it is constant, or in PATTERNS.
HEADERS: dict[str, tuple[str, str | None]] = {
    "content-type": ("How the value is encoded: plain protobuf, with nothing before it.", None),
    "ce_specversion": ("CloudEvents 1.0, binary mode.", None),
    "ce_type": ("Which message the value is.", None),
    "ce_id": ("The same again when the event is published again.", None),
    "ce_source": ("Whose event it is.", f"urn:consent-service:{SLUG}"),
    "ce_subject": ("What it is about.", None),
    "ce_time": ("When it happened, in UTC.", TIME),
    "ce_recordedtime": ("When it was recorded, in UTC.", TIME),
    "ce_sequence": ("Orders the events of one subject, or the versions of one purpose.", r"\d{20}"),
    "ce_partitionkey": ("The key.", None),
    "ce_traceparent": ("W3C Trace Context of the request that led to the event.", TRACE),
    "traceparent": ("The same as ce_traceparent.", TRACE),
}
WHAT_A_TOPIC_IS = {
    "changes": "One message for each record of the ledger, in order per subject.",
    "state": "What stands for each subject and purpose; compacted. A deleted key has no value and no headers.",
    "purposes": "The versions of each purpose that are in effect or to come; compacted.",
    "notices": "What is told beside the records: renewals that are due, identifiers linked and removed, late recipients.",
    "acks": "Written by recipients: what they have done about records.",
    "dead": "Written by recipients: messages that they could not act on.",
}


def document() -> dict[str, Any]:
    addresses = {kind_of(topic): topic for topic in (*topics_of("{prefix}"), *recipients_topics("{prefix}"))}
    return {
        "asyncapi": "3.1.0",
        "info": {
            "title": "Consent service: the stream",
            "version": "v1",
            "description": (
                "What the consent service publishes to Apache Kafka. docs/EVENTS.md has ordering and guarantees, "
                "tests/contracts/events.json examples byte for byte."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "variables": {
                    "bootstrap": {"default": "127.0.0.1:9092", "description": "CONSENT_KAFKA_BOOTSTRAP"}
                },
            }
        },
        "channels": {kind: _channel(kind, address) for kind, address in addresses.items()},
        "operations": {
            f"{_action(kind)}-{kind}": _operation(kind) for kind in addresses if _action(kind) != "none"
        },
        "components": {"messages": {name: _message(name, event) for name, event in _events().items()}},
    }


def written() -> str:
    """The document as the file holds it."""
    return "# Written by `make proto` from the code and the proto file; do not edit.\n" + yaml.dump(
        document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=118
    )


def proto_of(message: Descriptor) -> str:
    """The proto file cut to what one message needs: AsyncAPI's payload is the message that no other one names."""
    needed = _needed(message)
    ours = {item.name for item in needed if item.file == pb.DESCRIPTOR}
    imports = sorted({item.file.name for item in needed} - {pb.DESCRIPTOR.name})
    blocks = re.finditer(
        r"(?:^//[^\n]*\n)*^(?:message|enum) (\w+) \{\n.*?^\}\n", PROTO.read_text(), re.MULTILINE | re.DOTALL
    )
    return "\n".join(
        [
            'syntax = "proto3";\n',
            f"package {pb.DESCRIPTOR.package};\n",
            *(["".join(f'import "{name}";\n' for name in imports)] if imports else []),
            *(block[0] for block in blocks if block[1] in ours),
        ]
    )


def _needed(message: Descriptor) -> set[Descriptor | EnumDescriptor]:
    """The message, and the messages and enumerations that its fields name; of other files only those named here."""
    found: set[Descriptor | EnumDescriptor] = {message}
    if message.file == pb.DESCRIPTOR:
        for field in message.fields:
            if field.message_type is not None:
                found |= _needed(field.message_type)
            elif field.enum_type is not None:
                found.add(field.enum_type)
    return found


def _events() -> dict[str, Event]:
    """The first agreed example of each CloudEvents type."""
    found: dict[str, Event] = {}
    for _, event, _ in GOLDEN:
        found.setdefault(_headers(event)["ce_type"], event)
    return found


def _headers(event: Event, traceparent: str | None = None) -> dict[str, str]:
    return {name: value.decode() for name, value in encoded(event, traceparent).headers}


def _channel(kind: str, address: str) -> dict[str, Any]:
    return {
        "address": address,
        "description": WHAT_A_TOPIC_IS[kind],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _types_of(kind)},
        "parameters": {
            "prefix": {"default": "consent", "description": "The controller's own, controllers.topic_prefix."}
        },
        "bindings": {
            "kafka": {
                "partitions": PARTITIONS[kind],
                "topicConfiguration": {name: _setting(name, told) for name, told in SETTINGS[kind].items()},
                "bindingVersion": BINDING,
            }
        },
    }


def _setting(name: str, told: str) -> Any:
    """As AsyncAPI writes it."""
    if name == "cleanup.policy":
        return told.split(",")
    return int(told) if told.isdecimal() else told


def _types_of(kind: str) -> list[str]:
    """The CloudEvents types on the topic; heartbeats, which name no topic, are on all of the service's own."""
    messages = {name: encoded(event) for name, event in _events().items()}
    beats = _action(kind) == "send"
    return [
        name
        for name, message in messages.items()
        if (kind_of(message.topic) == kind if message.topic else beats)
    ]


def _action(kind: str) -> str:
    """What the service does there. Dead letters it leaves alone."""
    return {"acks": "receive", "dead": "none"}.get(kind, "send")


def _operation(kind: str) -> dict[str, Any]:
    return {
        "action": _action(kind),
        "channel": {"$ref": f"#/channels/{kind}"},
        "messages": [{"$ref": f"#/channels/{kind}/messages/{name}"} for name in _types_of(kind)],
    }


def _message(name: str, event: Event) -> dict[str, Any]:
    descriptor = getattr(pb, type(event).__name__).DESCRIPTOR
    always, traced = _headers(event), _headers(event, TRACEPARENT)
    return {
        "name": name,
        "title": descriptor.name,
        "description": _comment(descriptor.name),
        "contentType": CONTENT_TYPE,
        "headers": {
            "type": "object",
            "required": list(always),
            "properties": {header: _header(name, header, example) for header, example in traced.items()},
        },
        "payload": {
            "schemaFormat": "application/vnd.google.protobuf;version=3",
            "schema": proto_of(descriptor),
        },
        "bindings": {"kafka": {"key": _text(PATTERNS[name]["key"]), "bindingVersion": BINDING}},
        "examples": [{"headers": always}],
    }


def _header(name: str, header: str, example: str) -> dict[str, Any]:
    description, shared = HEADERS[header]
    own = PATTERNS[name]
    if header in ("content-type", "ce_specversion", "ce_type"):
        told = {"type": "string", "const": example}
    else:
        told = _text(own["key"] if header == "ce_partitionkey" else own.get(header) or shared or "")
    return {**told, "description": description}


def _text(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^{pattern}$"}


def _comment(message: str) -> str:
    """What stands above the message in the proto file."""
    found = re.search(rf"((?:^//[^\n]*\n)+)message {message} ", PROTO.read_text(), re.MULTILINE)
    return "" if found is None else re.sub(r"^// ?", "", found[1], flags=re.MULTILINE).strip()


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks; everything is written out where it stands."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block)


if __name__ == "__main__":
    DOCUMENT.write_text(written())
