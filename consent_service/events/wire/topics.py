"""The topics of one prefix: their names, and what they are made with (R28)."""

from __future__ import annotations

from collections.abc import Mapping

from consent_service.domain.partitions import CHANGES_PARTITIONS

_DAY_MS = 24 * 60 * 60 * 1000
_COMPACTED = {
    "cleanup.policy": "compact",
    # What is superseded, or erased, is gone within a day; who was away for less than thirty reads tombstones.
    "max.compaction.lag.ms": str(_DAY_MS),
    "segment.ms": str(_DAY_MS),
    "delete.retention.ms": str(30 * _DAY_MS),
}
_KEPT_A_MONTH = {"cleanup.policy": "delete", "retention.ms": str(30 * _DAY_MS)}
_READ_BY_THE_SERVICE = {
    # The broker unpacks what others packed, so that its limit of size is one of what the service reads: a megabyte can
    # be packed that is a gigabyte (docs/SECURITY.md). And no reader needs a library for each way of packing.
    "compression.type": "uncompressed",
    "max.message.bytes": str((1 << 20) + 12),
}

#: What topics are made with; an operator may make them beforehand, with settings of their own.
PARTITIONS: Mapping[str, int] = {
    "changes": CHANGES_PARTITIONS,
    "state": CHANGES_PARTITIONS,
    "purposes": 1,
    "notices": CHANGES_PARTITIONS,
    "acks": CHANGES_PARTITIONS,
    "dead": CHANGES_PARTITIONS,
}
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "changes": _KEPT_A_MONTH,
    "state": _COMPACTED,
    "purposes": _COMPACTED,
    "notices": _KEPT_A_MONTH,
    "acks": {**_KEPT_A_MONTH, **_READ_BY_THE_SERVICE},
    "dead": _KEPT_A_MONTH,
}


def changes_topic(prefix: str) -> str:
    return prefix + ".changes.v1"


def state_topic(prefix: str) -> str:
    return prefix + ".state.v1"


def purposes_topic(prefix: str) -> str:
    return prefix + ".purposes.v1"


def notices_topic(prefix: str) -> str:
    return prefix + ".notices.v1"


def acks_topic(prefix: str) -> str:
    return prefix + ".acks.v1"


def dead_topic(prefix: str) -> str:
    return prefix + ".dead.v1"


def recipients_topics(prefix: str) -> tuple[str, ...]:
    """All that recipients write under this prefix, and the service does not."""
    return acks_topic(prefix), dead_topic(prefix)


def is_recipients(topic: str) -> bool:
    """Whether recipients write it."""
    return topic in recipients_topics(prefix_of(topic))


def topics_of(prefix: str) -> tuple[str, ...]:
    """All that the service writes under this prefix."""
    return changes_topic(prefix), state_topic(prefix), purposes_topic(prefix), notices_topic(prefix)


def prefix_of(topic: str) -> str:
    """Of one of the service's own topics."""
    return topic.removesuffix(".v1").rpartition(".")[0]


def kind_of(topic: str) -> str:
    """`changes`, `state`, `purposes`, `notices`, `acks` or `dead`; for a topic named by a caller, `changes`."""
    kind = topic.removesuffix(".v1").rpartition(".")[2]
    return kind if kind in PARTITIONS else "changes"
