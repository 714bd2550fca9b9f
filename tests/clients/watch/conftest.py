"""Persons with a history that is on the stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
import pytest
from consent_client import ConsentClient

from tests.clients.conftest import Place
from tests.clients.persons import somebody

PIXEL, FORM = "facebook-piksel", "kontaktskjema"


class Story(msgspec.Struct, frozen=True):
    """Who granted and withdrew one purpose, and granted another; `before` is a place on the stream before all that."""

    subject_id: UUID
    records: tuple[UUID, UUID, UUID]
    before: str


@pytest.fixture
async def client(place: Place) -> AsyncIterator[ConsentClient]:
    async with ConsentClient(place.url, place.token()) as opened:
        yield opened


@pytest.fixture
async def story(client: ConsentClient) -> Story:
    before, _ = await anext(client.changes())
    subject_id = (await client.subject(somebody())).subject_id
    told = (
        await client.grant(subject_id, PIXEL, 1),
        await client.withdraw(subject_id, PIXEL, source="profile"),
        await client.grant(subject_id, FORM, 1),
    )
    first, second, third = (one.record.record_id for one in told)
    return Story(subject_id, (first, second, third), before)
