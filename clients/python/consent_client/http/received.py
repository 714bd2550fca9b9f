"""What came back, read to its end: as it was asked for, and no more than fits into memory."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import msgspec

from consent_client.errors import NotUnderstood

#: The longest answers are pages of a catalogue with long texts in many languages.
ANSWER_BYTES_MAX = 32 << 20
#: Nothing is unpacked: a few bytes can be packed that fill any memory.
UNPACKED = "identity"


class Received(msgspec.Struct, frozen=True):
    """`body` is None where it was packed, or too long."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def content(self) -> bytes:
        """Raises NotUnderstood."""
        if self.body is None:
            raise NotUnderstood(f"the answer is packed, or longer than {ANSWER_BYTES_MAX} bytes")
        return self.body


async def receive(answer: httpx.Response) -> Received:
    """Reads it and closes it. Raises httpx.RequestError."""
    try:
        return Received(answer.status_code, answer.headers, await _body(answer))
    finally:
        await answer.aclose()


async def _body(answer: httpx.Response) -> bytes | None:
    if is_packed(answer):
        return None
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            return None
    return bytes(body)


def is_packed(answer: httpx.Response) -> bool:
    coding: str = answer.headers.get("content-encoding", UNPACKED)
    return coding.strip().lower() != UNPACKED
