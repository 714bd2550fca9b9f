"""Server-side events to an ad platform, for those who allow it alone.

    python pixel_gate.py --kafka 127.0.0.1:9092 --to https://platform.example/events < events.jsonl

Each line: {"subject_id": "...", "event": {...}}. What was sent and what was kept back is counted at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
from consent_client import ConsentGate

CONTROLLER, PURPOSE = "ansettr", "facebook-piksel"


async def pass_on(gate: ConsentGate, events: AsyncIterator[dict[str, Any]], to: str) -> tuple[int, int]:
    """Asked at the very moment of sending, for every event. Returns how many were sent and how many kept back."""
    sent = kept_back = 0
    async with httpx.AsyncClient() as platform:
        async for one in events:
            if is_allowed(gate, one):
                (await platform.post(to, json=one["event"])).raise_for_status()
                sent += 1
            else:
                kept_back += 1
    return sent, kept_back


def is_allowed(gate: ConsentGate, one: dict[str, Any]) -> bool:
    """An event that names nobody is nobody's yes."""
    try:
        return gate.allows(one["subject_id"], PURPOSE)
    except (KeyError, TypeError, ValueError):
        return False


async def read(lines: Iterable[str]) -> AsyncIterator[dict[str, Any]]:
    """Line by line in a thread, so that the gate goes on following meanwhile."""
    following = iter(lines)
    while (line := await asyncio.to_thread(next, following, None)) is not None:
        try:
            yield json.loads(line)
        except ValueError:
            yield {}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kafka", required=True, metavar="HOST:PORT")
    parser.add_argument("--prefix", default="consent", help="of the topics (default: consent)")
    parser.add_argument("--to", required=True, metavar="URL", help="where the platform takes events")
    arguments = parser.parse_args()
    async with ConsentGate.kafka(arguments.kafka, controller=CONTROLLER, prefix=arguments.prefix) as gate:
        await gate.ready()
        sent, kept_back = await pass_on(gate, read(sys.stdin), arguments.to)
    print(f"{sent} sent, {kept_back} kept back")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    # That Kafka is away consent_client says once; aiokafka would say it several times a second.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asyncio.run(main())
