"""Server-sent events out of bytes, without a socket."""

from __future__ import annotations

import msgspec

from consent_client.errors import NotUnderstood

#: An event is some hundred bytes.
_BLOCK_BYTES_MAX = 1 << 20


class Event(msgspec.Struct, frozen=True):
    """One block: a comment with an id has no data. `comments` are without their colon."""

    id: str | None = None
    name: str = "message"
    data: str | None = None
    retry_s: float | None = None
    comments: tuple[str, ...] = ()


class EventLines:
    """Takes bytes as they come and gives the blocks that are complete: only then does an id count."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._block: list[str] = []
        self._block_bytes = 0

    def take(self, chunk: bytes) -> list[Event]:
        """Raises NotUnderstood where this is no stream of events."""
        events = []
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            self._rest += end
            event = self._take_line(bytes(self._rest))
            self._rest.clear()
            if event is not None:
                events.append(event)
        self._rest += rest
        self._check_size()
        return events

    def _take_line(self, line: bytes) -> Event | None:
        """An event where the line ends one."""
        try:
            text = line.removesuffix(b"\r").decode()
        except UnicodeDecodeError:
            raise NotUnderstood("the stream is no UTF-8") from None
        if text:
            self._block.append(text)
            self._block_bytes += len(line)
            self._check_size()
            return None
        block, self._block, self._block_bytes = self._block, [], 0
        return _event(block) if block else None

    def _check_size(self) -> None:
        if self._block_bytes + len(self._rest) > _BLOCK_BYTES_MAX:
            raise NotUnderstood("an event of the stream has no end")


def _event(lines: list[str]) -> Event:
    """Raises NotUnderstood."""
    members: dict[str, str] = {}
    data: list[str] = []
    comments: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif not name:
            comments.append(value)
        else:
            members[name] = value
    place, retry = members.get("id"), members.get("retry", "")
    return Event(
        id=None if place is None else check_place(place),
        name=members.get("event", "message"),
        data="\n".join(data) if data else None,
        retry_s=float(retry) / 1000 if retry.isascii() and retry.isdecimal() else None,
        comments=tuple(comments),
    )


def check_place(place: str) -> str:
    """The same text, which can go into a header. Raises NotUnderstood."""
    if not (place.isascii() and place.isprintable()):
        raise NotUnderstood("a place in the stream is no text that the service gives")
    return place
