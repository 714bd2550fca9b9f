"""What the demo tells: four people agree and change their minds, five recipients start and stop. Nothing is staged."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import msgspec
from consent_client.http.answers import Permission

from consent_service.cli.demo_client import Client, Recorded, Shown, open_client
from consent_service.cli.demo_recipients import TOPIC, Heard, System
from consent_service.cli.demo_view import View, milliseconds, shortened

#: A recipient that has not acted by then has failed.
PATIENCE_S = 5.0
#: How long recipients may take to join and to read what they missed since the last telling.
_CAUGHT_UP_S = 60.0
_NAME_LENGTH = 39


class DemoFailed(Exception):
    """What was not as it has to be, in words for the person at the terminal."""


class Service(msgspec.Struct, frozen=True):
    """A service to talk to. `origin` says to the reader whose it is; `token` makes one for a controller."""

    url: str
    kafka_bootstrap: str
    origin: str
    token: Callable[[str], str]


class Person(msgspec.Struct):
    """Somebody of the story, whom the web site knows by `identifier` (type, value), and consumers by the id alone."""

    name: str
    identifier: tuple[str, str]
    subject_id: UUID | None = None


class Step(msgspec.Struct, frozen=True):
    """One decision: what the recipient has to do about it, in words, and whether it may process afterwards."""

    recipient: System
    command: str
    does: str
    processes: bool


class Row(msgspec.Struct, frozen=True):
    """A permission to ask for, with the reasons that are due before and after the withdrawals."""

    person: Person
    recipient: System
    before: str
    after: str = "withdrawn"


class Cast:
    """Who takes part: fresh persons, so that the story can be told again on the same data."""

    def __init__(self) -> None:
        #: Distinguishes this telling's persons from all others.
        run = secrets.token_hex(4)
        self.reader = Person("Kari", ("email", f"kari.{run}@example.org"))
        self.visitor = Person("Visitor", ("visitor", secrets.token_urlsafe(16)))
        self.candidate = Person("Ola", ("email", f"ola.{run}@example.org"))
        self.guest = Person("Nora", ("email", f"nora.{run}@example.org"))
        self.newsletter = System("Brevo newsletter tool", "brevo", "ansettr", "nyhetsbrev")
        self.analytics = System("Matomo tag gate", "matomo", "ansettr", "nettstedanalyse-matomo")
        self.pixel = System("Facebook pixel gate", "facebook", "ansettr", "facebook-piksel")
        self.recruitment = System("Recruitment database", "recman", "coness", "apne-soknader-og-cv-database")
        self.webinars = System("Webinar publishing", "youtube", "assessio", "hr-hub-gjester")

    @property
    def recipients(self) -> tuple[System, ...]:
        return self.newsletter, self.analytics, self.pixel, self.recruitment, self.webinars

    @property
    def rows(self) -> tuple[Row, ...]:
        return (
            Row(self.reader, self.newsletter, "given"),
            Row(self.visitor, self.analytics, "given"),
            Row(self.visitor, self.pixel, "refused", "refused"),
            Row(self.candidate, self.recruitment, "given"),
            Row(self.guest, self.webinars, "given"),
        )


class Story:
    """Tells it once. `pace_s` is waited between two acts, for the reader's sake."""

    def __init__(
        self, service: Service, view: View, *, pace_s: float = 0.0, patience_s: float = PATIENCE_S
    ) -> None:
        self._service = service
        self._view = view
        self._pace_s = pace_s
        self._patience_s = patience_s
        self._cast = Cast()
        self._shown: dict[str, Shown] = {}
        self._stopped: list[float] = []
        self._withdrawn: list[tuple[Person, System, UUID]] = []

    async def tell(self) -> None:
        """Raises DemoFailed, CallFailed."""
        cast = self._cast
        self._open()
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(open_client(self._service.url, self._service.token))
            await client.until_ready()
            await asyncio.gather(*(stack.enter_async_context(self._at_work(one)) for one in cast.recipients))
            for one in cast.recipients:
                self._shown[one.purpose] = await client.shown(one.controller, one.purpose)
            await self._consents(client)
            before = await self._permissions(client)
            await self._withdrawals(client)
            after = await self._permissions(client)
            self._answers(before, after)
            await self._proof(client)

    def _open(self) -> None:
        view = self._view
        view.gap()
        view.title("Four people say yes, and later no. Who stops, and how soon?")
        view.text(
            "A consent that is taken back has to stop every system that relied on it. Five small consumers "
            "stand in for such systems here. Each reads the changes from Kafka by itself, and does nothing "
            "with a person's data before it has read a yes."
        )
        view.table(
            ("System", "Controller", "Purpose"),
            [(one.name, one.controller, one.purpose) for one in self._cast.recipients],
        )
        view.facts(
            {
                "Consent service": f"{self._service.url} ({self._service.origin})",
                "Kafka": f"{self._service.kafka_bootstrap}, topic {TOPIC}",
            }
        )

    async def _consents(self, client: Client) -> None:
        cast = self._cast
        self._view.title("1. They decide")
        self._view.text(
            "On the left, the time since the web site sent the decision (POST /v1/decisions). With the answer "
            "it is on record for good. On the right, the time from that answer to the system's reaction."
        )
        newsletter, database = cast.newsletter, cast.recruitment
        await self._act(
            client,
            cast.reader,
            "Kari enters her address for Ansettr's newsletter.",
            [Step(newsletter, "request", "waits until she confirms", False)],
        )
        await self._act(
            client,
            cast.reader,
            "Kari clicks the link in the e-mail that asks whether it was really her.",
            [Step(newsletter, "confirm", "puts her on the list", True)],
        )
        await self._act(
            client,
            cast.visitor,
            "A visitor of Ansettr's web site allows statistics, but no advertising.",
            [
                Step(cast.analytics, "grant", "begins to count", True),
                Step(cast.pixel, "refuse", "stays shut", False),
            ],
        )
        await self._act(
            client,
            cast.candidate,
            "Ola sends his CV to Coness, to be kept for jobs to come.",
            [Step(database, "grant", "stores the CV", True)],
        )
        await self._act(
            client,
            cast.guest,
            "Nora agrees that her episode of Assessio's HR-hub is published.",
            [Step(cast.webinars, "grant", "publishes the episode", True)],
        )

    async def _withdrawals(self, client: Client) -> None:
        cast = self._cast
        self._view.title("2. They change their minds")
        self._view.text("Now the time on the right is how long a system still went on after the answer.")
        for person, sentence, recipient, does in (
            (cast.reader, "Kari unsubscribes.", cast.newsletter, "takes her off the list"),
            (cast.visitor, "The visitor takes the yes to statistics back.", cast.analytics, "stops counting"),
            (cast.candidate, "Ola has found a job elsewhere.", cast.recruitment, "deletes the CV"),
            (cast.guest, "Nora wants her episode gone.", cast.webinars, "makes the episode private"),
        ):
            await self._act(client, person, sentence, [Step(recipient, "withdraw", does, False)])

    async def _act(self, client: Client, person: Person, sentence: str, steps: Sequence[Step]) -> None:
        """One call with one person's decisions; then wait until each recipient has acted on its own."""
        await asyncio.sleep(self._pace_s)
        self._view.act(sentence)
        self._view.moment(0.0, ", ".join(f"{step.command} {step.recipient.purpose}" for step in steps))
        decisions = [
            (step.recipient.purpose, step.command, self._shown[step.recipient.purpose].version)
            for step in steps
        ]
        recorded = await client.decide(steps[0].recipient.controller, person.identifier, decisions)
        person.subject_id = recorded.subject_id
        statuses = ", ".join(recorded.statuses)
        self._view.moment(recorded.answered_at - recorded.asked_at, f"answered, on record as {statuses}")
        reactions = [
            (await self._heard(step, record_id), step)
            for step, record_id in zip(steps, recorded.records, strict=True)
        ]
        for heard, step in sorted(reactions, key=lambda reaction: reaction[0].at):
            self._reaction(person, step, recorded, heard)
        self._view.gap()

    async def _heard(self, step: Step, record_id: UUID) -> Heard:
        try:
            return await step.recipient.heard(record_id, self._patience_s)
        except TimeoutError:
            raise DemoFailed(
                f"{self._patience_s:g} s after the answer to `{step.command}` the {step.recipient.name} had read "
                "nothing of it from Kafka, and goes on as before. Does a relay publish?"
            ) from None

    def _reaction(self, person: Person, step: Step, recorded: Recorded, heard: Heard) -> None:
        """Raises DemoFailed where the recipient has not done what it had to."""
        since = heard.at - recorded.answered_at
        name = step.recipient.name
        self._view.reaction(heard.at - recorded.asked_at, since, name, step.does, processes=heard.processes)
        if heard.processes is not step.processes:
            does = "does not use" if step.processes else "still uses"
            raise DemoFailed(f"the {name} {does} the data of {person.name} after `{step.command}`.")
        if step.command == "withdraw":
            self._stopped.append(since)
            self._withdrawn.append((person, step.recipient, recorded.records[0]))

    async def _permissions(self, client: Client) -> list[Permission]:
        found = []
        for row in self._cast.rows:
            assert row.person.subject_id is not None
            found.append(
                await client.permission(
                    row.recipient.controller, row.person.subject_id, row.recipient.purpose
                )
            )
        return found

    def _answers(self, before: Sequence[Permission], after: Sequence[Permission]) -> None:
        """The table. Raises DemoFailed where a permission is not the one due."""
        rows = self._cast.rows
        self._view.title("3. May it be done? What the service answers, before and after the withdrawals")
        self._view.table(
            ("Who", "Purpose", "Before", "After"),
            [
                (
                    row.person.name,
                    shortened(self._shown[row.recipient.purpose].name, _NAME_LENGTH),
                    _told(a),
                    _told(b),
                )
                for row, a, b in zip(rows, before, after, strict=True)
            ],
        )
        check_permissions(rows, before, after)

    async def _proof(self, client: Client) -> None:
        """What each system said about the withdrawal it acted on. Raises DemoFailed where one said nothing."""
        self._view.title("4. Can it be proven? What the service knows of each withdrawal")
        self._view.text(
            "Each system acknowledges what it did, and the service keeps it with the record "
            "(GET /v1/records/{record_id}/propagation). Who owes a word and is late would stand here too."
        )
        lines = []
        for person, system, record_id in self._withdrawn:
            progress = await client.settled(system.controller, record_id, system.slug, self._patience_s)
            if progress is None or progress.settled_at is None or progress.owed_since is None:
                raise DemoFailed(
                    f"{self._patience_s:g} s later the service knows nothing of what the {system.name} did about "
                    f"the withdrawal of {person.name}."
                )
            after = (progress.settled_at - progress.owed_since).total_seconds()
            lines.append((person.name, system.name, str(progress.outcome), f"{milliseconds(after)} later"))
        self._view.table(("Who", "System", "It says", "On record"), lines)
        self._view.text(
            f"Four withdrawals, four systems that stopped, the slowest {milliseconds(max(self._stopped))} after "
            "the answer; the Facebook pixel never began. The service called none of them, and knows none of "
            "their addresses: whoever may read the topic can obey it. What they read names a person by an id, "
            "never by an address or a cookie."
        )

    @asynccontextmanager
    async def _at_work(self, system: System) -> AsyncIterator[None]:
        """Raises DemoFailed where it has not caught up in time."""
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(system.at_work(self._service.kafka_bootstrap, _CAUGHT_UP_S))
            except TimeoutError:
                raise DemoFailed(
                    f"the {system.name} has not caught up with {TOPIC} within {_CAUGHT_UP_S:g} s."
                ) from None
            yield


def check_permissions(rows: Sequence[Row], before: Sequence[Permission], after: Sequence[Permission]) -> None:
    """Raises DemoFailed at the first permission that is not the one due."""
    for row, *found in zip(rows, before, after, strict=True):
        for moment, answer, due in zip(("before", "after"), found, (row.before, row.after), strict=True):
            if (answer.allowed, answer.reason) != (due == "given", due):
                raise DemoFailed(
                    f"{moment} the withdrawals the permission of {row.person.name} for {row.recipient.purpose} is "
                    f"`{_told(answer)}`, and should have been `{due}`."
                )


def _told(permission: Permission) -> str:
    return f"{'yes' if permission.allowed else 'no'}, {permission.reason}"
