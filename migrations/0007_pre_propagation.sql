-- migrate:up
-- Proof of propagation: who owes an acknowledgement of which record, and what recipients said (R34).

-- Under which versions it has been allowed since it last was not, as of the pair's latest record; none where it is not.
alter table states add column granted_versions integer[] not null default '{}';

update states
set granted_versions = (
    select coalesce(array_agg(distinct granted.standing_version order by granted.standing_version), '{}')
    from records as granted
    where granted.controller = states.controller
      and granted.subject_id = states.subject_id
      and granted.purpose = states.purpose
      and granted.allowed
      and granted.standing_version is not null
      and granted.sequence > (
          select coalesce(max(refused.sequence), 0)
          from records as refused
          where refused.controller = states.controller
            and refused.subject_id = states.subject_id
            and refused.purpose = states.purpose
            and not refused.allowed));

-- One row for each recipient that a record must reach. Settled by its acknowledgement, or by one of a later record of
-- the same subject and purpose. `noticed_at`: since when it is known to be late.
create table duties (
    controller text not null,
    subject_id uuid not null,
    sequence bigint not null,
    recipient text not null,
    purpose text not null,
    record_id uuid not null,
    allowed boolean not null,
    owed_since timestamptz not null,
    due_at timestamptz not null,
    settled_at timestamptz,
    settled_by uuid,
    outcome text,
    acknowledged_at timestamptz,
    noticed_at timestamptz,
    constraint duties_pkey primary key (controller, subject_id, sequence, recipient),
    constraint duties_outcome check (outcome in ('stopped', 'started', 'not_held', 'erased')),
    constraint duties_settled check (
        (settled_at is null) = (outcome is null) and (settled_at is null) = (settled_by is null)
        and (settled_at is null) = (acknowledged_at is null))
);

create index duties_open on duties (controller, recipient, owed_since, subject_id, sequence) include (due_at)
    where settled_at is null;
create index duties_late on duties (due_at, subject_id, sequence, recipient)
    where settled_at is null and noticed_at is null;

-- What recipients said, word for word; the same word about the same record is kept once.
create table acknowledgements (
    controller text not null,
    subject_id uuid not null,
    sequence bigint not null,
    recipient text not null,
    outcome text not null,
    due_at timestamptz,
    purpose text not null,
    record_id uuid not null,
    acknowledgement_id uuid,
    at timestamptz not null,
    received_at timestamptz not null,
    constraint acknowledgements_once unique nulls not distinct (
        controller, subject_id, sequence, recipient, outcome, due_at),
    constraint acknowledgements_outcome check (outcome in (
        'stopped', 'started', 'failed', 'not_held', 'accepted', 'erased')),
    constraint acknowledgements_due_at check ((due_at is not null) = (outcome = 'accepted'))
);

create index acknowledgements_received on acknowledgements (controller, recipient, received_at);

create trigger acknowledgements_append_only before update or delete on acknowledgements
    for each row execute function refuse_change();
create trigger acknowledgements_no_truncate before truncate on acknowledgements
    for each statement execute function refuse_change();

alter table stream_notices drop constraint stream_notices_kind;
alter table stream_notices add constraint stream_notices_kind check (kind in (
    'renewal_due', 'identifier_linked', 'identifier_removed', 'recipient_late'));

grant select, insert, update on duties to consent_service, consent_sweeper;
grant select on duties to consent_auditor;
grant select, insert on acknowledgements to consent_service;
grant select on acknowledgements to consent_auditor;
-- Serving processes read the recipients' topics of all controllers, each as a member of the ledger's group.
grant select on ledger_identity to consent_service;
grant execute on function controller_names() to consent_service;

do $$
declare
    guarded text;
begin
    foreach guarded in array array['duties', 'acknowledgements']
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
