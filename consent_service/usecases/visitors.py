"""What a site's visitor chose, and what stands for them: read, and recorded through the ledger (R36 to R38)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256

import msgspec

from consent_service.domain.choices import Choice, Unrecorded, command_for, with_signal
from consent_service.domain.consent import permission, standing
from consent_service.domain.durations import add_duration, parse_duration
from consent_service.domain.errors import Erased, SeveralRefusals, UnknownReference
from consent_service.domain.identifiers import Identifier
from consent_service.domain.purposes import BasesKind, Purpose
from consent_service.domain.records import Permission, State, SubjectFlags
from consent_service.domain.screens import Screen
from consent_service.domain.values import Channel, IdentifierType, Status
from consent_service.storage.database import Database
from consent_service.storage.keyring import Keyring
from consent_service.storage.states import ask
from consent_service.storage.subjects import find_identifiers
from consent_service.usecases import clock
from consent_service.usecases.batches import identifier_hashes
from consent_service.usecases.catalogue import Catalogue
from consent_service.usecases.ledger import Ledger
from consent_service.usecases.sites import Site, Sites
from consent_service.usecases.submissions import (
    Caller,
    ChoiceClaim,
    CommandInput,
    SubjectReference,
    Submission,
)


class Visitor(msgspec.Struct, frozen=True):
    """Whoever a browser speaks for: an id that it made itself, and whether it sends `Sec-GPC: 1`."""

    value: str
    has_signal: bool = False


class VisitorConsent(msgspec.Struct, frozen=True):
    """What stands for one of the site's purposes. `ask_again_at`, after a no or none at all, is when a banner may ask
    again; null where the purpose does not say.
    """

    purpose: str
    status: Status
    version: int | None
    since: datetime | None
    ask_again_at: datetime | None
    permission: Permission


class Choosing(msgspec.Struct, frozen=True):
    """What a visitor chose before a screen. `evidence` is what else is known of it, as JSON values.

    Without a `screen_hash` nobody knows what was shown. With a `latest_id` the id is made of the moment of the choice:
    whatever it says it is the same one, and those that sort behind it up to `latest_id` were made later.
    """

    choice_id: str
    choices: Mapping[str, Choice]
    language: str | None
    layer: str
    screen_hash: bytes | None
    latest_id: str | None = None
    occurred_at: datetime | None = None
    evidence: Mapping[str, object] = {}
    traceparent: str | None = None


class Chosen(msgspec.Struct, frozen=True):
    """What stands afterwards, and what was not recorded; `replayed` where this very choice had come before."""

    consents: list[VisitorConsent]
    ask_again: tuple[Unrecorded, ...]
    replayed: bool


class Visitors:
    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        keyring: Keyring,
        sites: Sites,
        ledger: Ledger,
        *,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._keyring = keyring
        self._sites = sites
        self._ledger = ledger
        #: The clock, which usecases/c15t.py goes by too.
        self.now = now

    async def consents(self, site: Site, visitor: Visitor) -> list[VisitorConsent]:
        """What stands for each of the site's purposes, in its order; makes nobody. Raises Erased."""
        hashes = identifier_hashes(self._keyring, site.controller, [_identifier(visitor)])
        slugs = site.entry.purposes
        async with self._database.transaction([site.controller], read_only=True) as connection:
            links = await find_identifiers(connection, hashes)
            subject_id = next((link.subject_id for link in links.values()), None)
            asked = await ask(connection, [(site.controller, subject_id, slug) for slug in slugs])
            revision = asked[0].revision if asked else None
            purposes = await self._catalogue.purposes_in(connection, site.controller, revision)
        if any(one.flags.erased_at is not None for one in asked):
            raise Erased("This visitor was erased: make a new id, and begin anew.")
        now = self.now()
        return [
            _consent(purposes[slug], one.flags, one.state, now, has_signal=visitor.has_signal)
            for slug, one in zip(slugs, asked, strict=True)
            if slug in purposes
        ]

    async def choose(self, site: Site, visitor: Visitor, choosing: Choosing) -> Chosen:
        """Record the choice, each id once for ever.

        Raises UnknownReference for a purpose that is not the site's, IdempotencyKeyReuse for an id that said
        something else, Erased, and what the ledger raises.
        """
        shown = choosing.screen_hash
        screen = None if shown is None else await self._sites.screen(site, shown)
        if screen is not None and screen.layer != choosing.layer:
            screen = None
        _refuse_foreign(site, screen, choosing.choices)
        outcome = await self._ledger.submit(
            Submission(
                caller=Caller(site.controller, f"site:{site.key}"),
                reference=SubjectReference(identifiers=(_identifier(visitor),), pointer=""),
                commands=_commands(site, screen, choosing),
                chosen=_claim(choosing),
                traceparent=choosing.traceparent,
            )
        )
        return Chosen(await self.consents(site, visitor), outcome.unrecorded, outcome.replayed)


def _identifier(visitor: Visitor) -> Identifier:
    return Identifier(IdentifierType.VISITOR, visitor.value)


def _refuse_foreign(site: Site, screen: Screen | None, choices: Mapping[str, Choice]) -> None:
    """A purpose that was on a screen of the site can be said no to, also once the site has dropped it."""
    own = set(site.entry.purposes)
    if screen is not None:
        own.update(one.purpose for one in screen.purposes)
    refusals = [
        UnknownReference("This is not one of the site's purposes.", pointer=f"/choices/{slug}")
        for slug in choices
        if slug not in own
    ]
    if refusals:
        raise SeveralRefusals([*refusals])


def _commands(site: Site, screen: Screen | None, choosing: Choosing) -> tuple[CommandInput, ...]:
    """Version and language are those that were on screen; of what was not, the version is not known."""
    commands = []
    evidence = msgspec.json.encode(choosing.evidence, order="sorted")
    for slug, choice in choosing.choices.items():
        shown = None if screen is None else screen.shown(slug)
        commands.append(
            CommandInput(
                purpose=slug,
                # As consent would have it; under the lock it becomes what the bases of that moment make of it.
                command=command_for(choice, BasesKind.CONSENT),
                version=None if shown is None else shown.version,
                language=choosing.language if shown is None else shown.language,
                channel=Channel.WEB,
                source=site.key,
                occurred_at=choosing.occurred_at,
                evidence=evidence,
                choice_id=choosing.choice_id,
                screen_hash=None if screen is None else choosing.screen_hash,
                choice=choice,
                pointer=f"/choices/{slug}",
            )
        )
    return tuple(commands)


def _claim(choosing: Choosing) -> ChoiceClaim:
    """What the choice says is told in whatever order; of an id that is made of the moment it plays no part."""
    says = choosing.choices if choosing.latest_id is None else choosing.choice_id
    fingerprint = sha256(msgspec.json.encode(says, order="sorted")).digest()
    return ChoiceClaim(choosing.choice_id, fingerprint, choosing.latest_id)


def _consent(
    purpose: Purpose, flags: SubjectFlags, state: State | None, now: datetime, *, has_signal: bool
) -> VisitorConsent:
    judged = permission(flags, state, purpose, now)
    reads = standing(state, purpose, now)
    return VisitorConsent(
        purpose=purpose.slug,
        status=reads.status,
        version=judged.version,
        since=reads.since,
        ask_again_at=_ask_again_at(purpose, reads.status, reads.since, now),
        permission=with_signal(judged, purpose, now) if has_signal else judged,
    )


def _ask_again_at(purpose: Purpose, status: Status, since: datetime | None, now: datetime) -> datetime | None:
    """R5: some time after a refusal, or after no answer."""
    after = purpose.current(now).content.ask_again_after
    of_status: dict[Status, str | None] = {Status.REFUSED: after.refused, Status.DEFERRED: after.deferred}
    told = of_status.get(status)
    return None if told is None or since is None else add_duration(since, parse_duration(told))
