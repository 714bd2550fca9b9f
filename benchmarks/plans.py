"""What a process does that the stage starts for one plan: the plan on standard input, its outcome on output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec
import uvloop

Plan = TypeVar("Plan", bound=msgspec.Struct)
Outcome = TypeVar("Outcome", bound=msgspec.Struct)


def carry_out(
    kind: type[Plan],
    run: Callable[[Plan], Coroutine[Any, Any, Outcome]],
    on_loop: Callable[[Coroutine[Any, Any, Outcome]], Outcome] = uvloop.run,
) -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=kind)
    sys.stdout.buffer.write(msgspec.json.encode(on_loop(run(plan))))
