-- migrate:up
-- Relays that share the work, topics that are filled again, notices, and sweeps (R17, R28, R30, R31).

-- Which ledger this is, among all that publish to one Kafka: part of the names under which relays are fenced.
create table ledger_identity (
    ledger_id uuid not null default gen_random_uuid(),
    constraint ledger_identity_pkey primary key (ledger_id)
);
insert into ledger_identity default values;

-- Relays that are alive: so many share the groups of shards.
create table relay_members (
    holder text not null,
    expires_at timestamptz not null,
    constraint relay_members_pkey primary key (holder)
);

-- Which topic, in which of its lives, holds everything of a group of shards, and of which ledger epoch. A topic with
-- another id was deleted and made anew; one of an earlier epoch tells what a restored ledger may not know.
create table filled_topics (
    topic text not null,
    shard_group smallint not null,
    topic_id uuid not null,
    ledger_epoch integer not null,
    filled_at timestamptz not null default clock_timestamp(),
    constraint filled_topics_pkey primary key (topic, shard_group),
    constraint filled_topics_group check (shard_group between 0 and 7)
);

-- What is told on the notices topic. The outbox points here by `number`; the id says that a notice is given once.
create table stream_notices (
    number bigint generated always as identity,
    controller text not null,
    subject_id uuid not null,
    notice_id uuid not null,
    kind text not null,
    purpose text,
    noticed_at timestamptz not null,
    content jsonb not null default '{}',
    constraint stream_notices_pkey primary key (controller, subject_id, notice_id),
    constraint stream_notices_kind check (kind in ('renewal_due', 'identifier_linked', 'identifier_removed'))
);

create index stream_notices_number on stream_notices (subject_id, number);

-- How far the sweep after a material change has come: up to which subject, and how many it has told so far. It walks
-- over the subjects again until a walk that began well after the change has left nobody behind.
create table sweeps (
    controller text not null,
    purpose text not null,
    version integer not null,
    started_at timestamptz not null,
    walk_began_at timestamptz not null,
    upto_subject uuid not null default '00000000-0000-0000-0000-000000000000',
    left_behind bigint not null default 0,
    swept bigint not null default 0,
    finished_at timestamptz,
    constraint sweeps_pkey primary key (controller, purpose, version)
);

-- Sweepers work one at a time, so that however many run, no more is swept a second than one may.
create table sweeper_lease (
    only_one boolean not null default true,
    holder text,
    expires_at timestamptz,
    constraint sweeper_lease_pkey primary key (only_one),
    constraint sweeper_lease_only_one check (only_one)
);
insert into sweeper_lease default values;

-- A page of what ends by itself begins behind the last row of the page before, also where a million end at once.
drop index states_until;
create index states_until on states (until, subject_id, purpose) where until is not null;

alter table outbox drop constraint outbox_kind;
alter table outbox add constraint outbox_kind check (kind in ('record', 'purpose', 'notice'));

grant select on ledger_identity to consent_relay, consent_auditor;
grant select, insert, update, delete on relay_members to consent_relay;
grant select on relay_members to consent_auditor;
grant select, insert, update on filled_topics to consent_relay;
grant select on filled_topics to consent_auditor;
grant select, insert on stream_notices to consent_service, consent_sweeper;
grant select on stream_notices to consent_relay, consent_auditor;
grant select, insert, update on sweeps to consent_sweeper;
grant select on sweeps to consent_auditor;
grant select, update on sweeper_lease to consent_sweeper;
grant select on sweeper_lease to consent_auditor;
grant select on outbox to consent_sweeper;
-- The one statement that appends records keeps answers too; the sweeper gives it none.
grant insert, update on idempotency to consent_sweeper;

-- A sweeper serves all controllers, one after the other; it must know their names before it can name one.
create function controller_names() returns setof text
    language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
    as $$
begin
    return query select controller from controllers order by controller;
end
$$;
revoke execute on function controller_names() from public;
grant execute on function controller_names() to consent_sweeper;

do $$
declare
    guarded text;
begin
    foreach guarded in array array['stream_notices', 'sweeps']
    loop
        execute format('alter table %I enable row level security', guarded);
        execute format('alter table %I force row level security', guarded);
        execute format(
            'create policy own_controllers on %I to consent_service, consent_sweeper '
            'using (controller = any (string_to_array(current_setting(''consent.controllers'', true), '','')))',
            guarded);
        execute format(
            'create policy every_controller on %I to consent_owner, consent_relay, consent_auditor using (true)',
            guarded);
    end loop;
end
$$;

-- migrate:down
