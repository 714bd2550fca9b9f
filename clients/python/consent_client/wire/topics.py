"""The topics of one prefix, and which subjects lie where."""

from __future__ import annotations

from math import gcd


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


def groups_on(partition: int, partitions: int, shard_groups: int) -> frozenset[int]:
    """The groups of shards whose subjects lie on a partition of a topic by subject: all of them speak there."""
    shared = gcd(partitions, shard_groups)
    return frozenset(group for group in range(shard_groups) if group % shared == partition % shared)
