"""R26, R30, CORE 20: one hash, the one that Kafka's own clients compute."""

from __future__ import annotations

from uuid import UUID

import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from consent_service.domain.partitions import (
    SHARD_GROUPS,
    SHARDS,
    group_of,
    partition_of,
    shard_of,
    shards_of,
    subject_hash,
)

#: From the unit tests of Apache Kafka's Java client.
JAVA = """
21                                                -973932308
foobar                                            -790332482
a-little-bit-long-string                          -985981536
a-little-bit-longer-string                        -1486304829
lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8  -58897971
abc                                               479470107
"""

#: Fixed for ever: rows already staged and partitions already filled follow them.
PINNED = """
00000000-0000-0000-0000-000000000000   713427837   9  61  5
0198f3a2-7c11-7000-8000-00000000a11a  1371589113   9  57  1
ffffffff-ffff-ffff-ffff-ffffffffffff  1787613426   6  50  2
"""


@pytest.mark.parametrize("line", JAVA.strip().splitlines())
def test_aiokafkas_murmur2_is_the_java_clients(line: str) -> None:
    text, value = line.split()

    assert murmur2(text.encode()) == int(value) & 0xFFFFFFFF


@given(st.uuids())
def test_the_subjects_hash_is_murmur2_of_its_text(subject_id: UUID) -> None:
    assert subject_hash(subject_id) == murmur2(str(subject_id).encode()) & 0x7FFFFFFF


@pytest.mark.parametrize("line", PINNED.strip().splitlines())
def test_the_hash_of_a_subject_never_changes(line: str) -> None:
    subject_id, hashed, partition, shard, group = line.split()

    assert subject_hash(UUID(subject_id)) == int(hashed)
    assert partition_of(int(hashed), 12) == int(partition)
    assert shard_of(int(hashed)) == int(shard)
    assert group_of(int(shard)) == int(group)


def test_every_shard_is_in_exactly_one_group() -> None:
    grouped = [shard for group in range(SHARD_GROUPS) for shard in shards_of(group)]

    assert sorted(grouped) == list(range(SHARDS))
    assert all(group_of(shard) == group for group in range(SHARD_GROUPS) for shard in shards_of(group))
