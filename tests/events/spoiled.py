"""Messages that no well-behaved client can write: a header's name that is no text, a value that is not there."""

from __future__ import annotations

from typing import Any

from aiokafka.record.util import calc_crc32c

#: Where a batch's checksum stands, and where what it is of begins (Kafka's record batch, version 2).
_CHECKSUM_AT, _CHECKED_FROM = 17, 21
_LENGTH_AT, _CODING_AT, _RECORDS_FROM = 8, 22, 61
_ZSTANDARD = 4
_NAME = "a-name-of-no-text"
NO_TEXT = b"\xff\xfe\xc3" + b"x" * (len(_NAME) - 3)


async def send_header_without_text(producer: Any, topic: str, key: bytes, value: bytes) -> None:
    """One message, alone in its batch, with a header whose name is no UTF-8."""
    batch = producer.create_batch()
    batch.append(timestamp=None, key=key, value=value, headers=[(_NAME, b"1")])
    content = bytearray(batch._build())
    at = content.index(_NAME.encode())
    content[at : at + len(NO_TEXT)] = NO_TEXT
    content[_CHECKSUM_AT:_CHECKED_FROM] = calc_crc32c(bytes(content[_CHECKED_FROM:])).to_bytes(4, "big")
    batch._buffer = content
    [partition, *_] = await producer.partitions_for(topic)
    await (await producer.send_batch(batch, topic, partition=partition))


async def send_header_without_value(producer: Any, topic: str, key: bytes, value: bytes) -> None:
    await producer.send_and_wait(topic, value, key, headers=[("ce_type", None), ("content-type", None)])


async def send_packed(producer: Any, topic: str, key: bytes, value: bytes, headers: Any = ()) -> None:
    """One message, packed with Zstandard, which aiokafka reads with another library alone."""
    batch = producer.create_batch()
    batch.append(timestamp=None, key=key, value=value, headers=list(headers))
    content = bytes(batch._build())
    records = content[_RECORDS_FROM:]
    size = len(records)
    # A frame that tells its size in four bytes, of one block that is as it is, the last.
    frame = (
        b"\x28\xb5\x2f\xfd\xa0" + size.to_bytes(4, "little") + (size << 3 | 1).to_bytes(3, "little") + records
    )
    packed = bytearray(content[:_RECORDS_FROM] + frame)
    packed[_CODING_AT] = _ZSTANDARD
    packed[_LENGTH_AT : _LENGTH_AT + 4] = (len(packed) - _LENGTH_AT - 4).to_bytes(4, "big")
    packed[_CHECKSUM_AT:_CHECKED_FROM] = calc_crc32c(bytes(packed[_CHECKED_FROM:])).to_bytes(4, "big")
    batch._buffer = packed
    [partition, *_] = await producer.partitions_for(topic)
    await (await producer.send_batch(batch, topic, partition=partition))
