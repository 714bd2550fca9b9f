"""Which life of a topic this is: the id that Kafka gives it when it is made (R31).

A topic that was deleted and made anew under its name has another. aiokafka's own metadata requests end at version 5,
before topics had ids; this is version 12 of the same request.
"""

from __future__ import annotations

from collections.abc import Collection
from io import BytesIO
from typing import Any, ClassVar
from uuid import UUID

from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

_METADATA = 3
_VERSION = 12
_NO_ID = UUID(int=0)


class _Uuid:
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))

    @classmethod
    def repr(cls, value: UUID) -> str:
        return str(value)


class _TopicIdsResponse(Response):  # type: ignore[misc]
    API_KEY = _METADATA
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString()),
                ("port", Int32),
                ("rack", CompactString()),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString()),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString()),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("in_sync", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _TopicIdsStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = _METADATA
    API_VERSION = _VERSION
    RESPONSE_TYPE = _TopicIdsResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", CompactString()), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _TopicIdsRequest(Request[_TopicIdsStruct]):  # type: ignore[misc]
    API_KEY: ClassVar[int] = _METADATA

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[Any]) -> Any:
        named: list[tuple[UUID, str, dict[int, bytes]]] = [
            (_NO_ID, topic, {}) for topic in sorted(self._topics)
        ]
        return request_struct_class(named, False, False, {})


async def read_topic_ids(client: Any, topics: Collection[str]) -> dict[str, UUID]:
    """The ids of these topics, asked of any broker. Raises the KafkaError of the first that cannot be told."""
    answer = await client.send(client.get_random_node(), _TopicIdsRequest(topics))
    found: dict[str, UUID] = {}
    for code, name, topic_id, *_ in answer.topics:
        if code:
            raise for_code(code)(name)
        found[name] = topic_id
    return found
