"""What is no table may show rows all the same: views, functions of their owner's rights, sequences (R22)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.databases import TestDatabase
from tests.http.tables import rows

#: Kind | name | with whose rights it runs | who may use it beside its owner | why that shows nobody's rows to others.
DECIDED = """
function | controller_names          | definer | keeper service sweeper                      | names alone: who serves all controllers must know whom
function | refuse_change             | invoker | public                                      | a trigger that raises, whoever calls it
function | site_directory            | definer | service                                     | whose a site key is: keys are public, and browsers bring no controller; of a catalogue it counts the changes
schema   | public                    | -       | auditor keeper relay service sweeper public | holds what stands here; nobody else may connect
sequence | outbox_position_seq       | -       | -                                           | an identity's: nobody can ask it or set it
sequence | stream_notices_number_seq | -       | -                                           | an identity's: nobody can ask it or set it
"""
FOUND = """
    with own as (
        select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
    ), found as (
        select 'function' as kind, proname as name, case when prosecdef then 'definer' else 'invoker' end as rights,
               coalesce(proacl, acldefault('f', proowner)) as acl, proowner as owner
        from pg_proc where pronamespace in (select oid from own)
        union all
        select case relkind when 'S' then 'sequence' when 'v' then 'view' when 'm' then 'materialized view'
                            else 'foreign table' end,
               relname, '-', relacl, relowner
        from pg_class where relnamespace in (select oid from own) and relkind in ('S', 'v', 'm', 'f')
        union all
        select 'schema', nspname, '-', nspacl, nspowner from pg_namespace where oid in (select oid from own)
        union all
        select 'rule', rulename, '-', null, 0 from pg_rewrite join pg_class c on c.oid = ev_class
        where c.relnamespace in (select oid from own) and rulename <> '_RETURN'
        union all
        select 'event trigger', evtname, '-', null, 0 from pg_event_trigger
        union all
        select 'publication', pubname, '-', null, 0 from pg_publication
    )
    select kind, name, rights,
           (select string_agg(coalesce(replace(rolname, 'consent_', ''), 'public'), ' ' order by rolname)
            from aclexplode(acl) left join pg_roles on pg_roles.oid = grantee
            where grantee <> owner)
    from found
    order by kind, name
"""
DEFINERS = "select proname, proconfig from pg_proc where prosecdef and pronamespace = 'public'::regnamespace"


@pytest.fixture
async def owner(database: TestDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await database.connect("consent_owner")
    yield connection
    await connection.close()


async def found(connection: asyncpg.Connection) -> list[tuple[str, ...]]:
    """Schemas have a right to look in beside the one to make; nobody has that."""
    return [
        (kind, name, rights, " ".join(dict.fromkeys((users or "-").split())))
        for kind, name, rights, users in await connection.fetch(FOUND)
    ]


async def test_R22_everything_beside_tables_is_decided(owner: asyncpg.Connection) -> None:
    assert await found(owner) == [cells[:4] for cells in rows(DECIDED, 5)]


async def test_what_runs_with_its_owners_rights_finds_its_tables_itself(owner: asyncpg.Connection) -> None:
    """Whoever calls it cannot lead it to others of the same name."""
    definers = {name for _, name, rights, *_ in rows(DECIDED, 5) if rights == "definer"}
    expected = {(name, ("search_path=pg_catalog, public, pg_temp",)) for name in definers}

    assert {(name, tuple(config)) for name, config in await owner.fetch(DEFINERS)} == expected


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("create view everybody as select * from subjects", ("view", "everybody", "-", "-")),
        (
            "create materialized view counted as select count(*) from subjects",
            ("materialized view", "counted", "-", "-"),
        ),
        (
            "create function persons() returns bigint language sql security definer "
            "as 'select count(*) from public.subjects'",
            ("function", "persons", "definer", "public"),
        ),
        (
            "create sequence numbers; grant usage on sequence numbers to consent_service",
            ("sequence", "numbers", "-", "service"),
        ),
        ("create rule gone as on delete to states do instead nothing", ("rule", "gone", "-", "-")),
        ("create schema another", ("schema", "another", "-", "-")),
    ],
    ids=lambda one: one[1] if isinstance(one, tuple) else "",
)
async def test_what_is_new_and_not_decided_would_be_told(
    owner: asyncpg.Connection, statement: str, told: tuple[str, ...]
) -> None:
    before = await found(owner)
    await owner.execute(statement)

    assert set(await found(owner)) - set(before) == {told}
