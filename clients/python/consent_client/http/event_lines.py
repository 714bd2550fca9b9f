"""Server-sent events out of bytes, without a socket."""

from __future__ import annotations

import msgspec

from consent_client.errors import NotUnderstood

#: An event is some hundred bytes.
_PENDING_BYTES_MAX = 1 << 20


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
        self._rest = b""
        self._block: list[str] = []

    def take(self, chunk: bytes) -> list[Event]:
        """Raises NotUnderstood where this is no stream of events."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _PENDING_BYTES_MAX:
            raise NotUnderstood("a line of the stream has no end")
        events = []
        for line in lines:
            try:
                text = line.removesuffix(b"\r").decode()
            except UnicodeDecodeError:
                raise NotUnderstood("the stream is no UTF-8") from None
            if text:
                self._block.append(text)
            elif self._block:
                events.append(_event(self._block))
                self._block = []
        return events


def _event(lines: list[str]) -> Event:
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
    retry = members.get("retry", "")
    return Event(
        id=members.get("id"),
        name=members.get("event", "message"),
        data="\n".join(data) if data else None,
        retry_s=int(retry) / 1000 if retry.isdecimal() else None,
        comments=tuple(comments),
    )
