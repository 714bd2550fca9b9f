"""Where a subject's records go: one fixed hash for partitions, shards and groups (R26, R30, CORE 20)."""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from struct import Struct
from uuid import UUID

#: How the outbox is divided; a shard is published by one relay at a time.
SHARDS = 64
#: The unit of a relay's lease.
SHARD_GROUPS = 8
#: How many partitions `.changes.v1` is made with. More of them later would break the order per subject.
CHANGES_PARTITIONS = 12

_SEED = 0x9747B28C
_MULTIPLIER = 0x5BD1E995
_32_BITS = 0xFFFFFFFF
_31_BITS = 0x7FFFFFFF
_WORDS = Struct("<9I")
_LENGTH = 36


@lru_cache(maxsize=4096)
def subject_hash(subject_id: UUID) -> int:
    """Kafka's murmur2 of the 36-character lower-case id, without its sign bit: 0 to 2**31 - 1.

    It is what Kafka's own clients compute for a key of those 36 bytes, so that all find the same partition.
    """
    result = _SEED ^ _LENGTH
    # 36 bytes are nine whole words: murmur2's remainder is always empty.
    for word in _WORDS.unpack(str(subject_id).encode()):
        mixed = word * _MULTIPLIER & _32_BITS
        mixed = (mixed ^ mixed >> 24) * _MULTIPLIER & _32_BITS
        result = result * _MULTIPLIER & _32_BITS ^ mixed
    result = (result ^ result >> 13) * _MULTIPLIER & _32_BITS
    return (result ^ result >> 15) & _31_BITS


def partition_of(hashed: int, partitions: int) -> int:
    """The partition of a topic that has so many."""
    return hashed % partitions


def shard_of(hashed: int) -> int:
    """0 to 63."""
    return hashed % SHARDS


def group_of(shard: int) -> int:
    """0 to 7: the group whose lease covers the shard."""
    return shard % SHARD_GROUPS


def shards_of(group: int) -> tuple[int, ...]:
    """The shards of a group, ascending."""
    return tuple(range(group, SHARDS, SHARD_GROUPS))


def groups_on(partition: int, partitions: int) -> tuple[int, ...]:
    """The groups whose subjects may lie on that partition of a topic that has so many."""
    shared = gcd(SHARD_GROUPS, partitions)
    return tuple(group for group in range(SHARD_GROUPS) if group % shared == partition % shared)
