"""How changes look: a line for people, or a line of JSON for programs."""

from __future__ import annotations

from typing import TextIO

import msgspec

from consent_client.http.changes import to_body
from consent_client.model import Change

_DIM, _BOLD, _GREEN, _RED = "2", "1", "32", "31"
_UNKNOWN = "?"
#: So much of an id's end is shown: its beginning is the time, and much the same in all.
_ID_END = 8


class View:
    """Writes each line at once. Remarks go beside, quietly, and not at all with JSON."""

    def __init__(self, stream: TextIO, remarks: TextIO, *, as_json: bool, colour: bool) -> None:
        self._stream = stream
        self._remarks = remarks
        self._as_json = as_json
        self._colour = colour

    def change(self, change: Change) -> None:
        line = msgspec.json.encode(to_body(change)).decode() if self._as_json else self._line(change)
        self._stream.write(line + "\n")
        self._stream.flush()

    def remark(self, text: str) -> None:
        if not self._as_json:
            self._remarks.write(self._painted(f"- {text}", _DIM) + "\n")
            self._remarks.flush()

    def _line(self, change: Change) -> str:
        at = self._painted(f"{change.recorded_at.astimezone():%Y-%m-%d %H:%M:%S}", _DIM)
        purpose = change.purpose or "(the whole person)"
        subject = self._painted(f"…{str(change.subject_id)[-_ID_END:]}", _DIM)
        command = self._painted(f"{change.command or _UNKNOWN:<15}", _BOLD)
        return f"{at}  {change.controller:<12}  {purpose:<32}  {subject}  {command} {self._result(change)}".rstrip()

    def _result(self, change: Change) -> str:
        if change.purpose is None:
            return ""
        reason = change.reason or _UNKNOWN
        words = f"allowed ({reason})" if change.allowed else f"not allowed ({reason})"
        notes = [word for word in ("superseded", "replayed") if getattr(change, word)]
        aside = self._painted(f"  {', '.join(notes)}", _DIM) if notes else ""
        verdict = self._painted(words, _GREEN if change.allowed else _RED)
        return f"→ {change.status or _UNKNOWN:<11}  {verdict}{aside}"

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text
