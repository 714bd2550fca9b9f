-- migrate:up
-- Proof of propagation: who owes an acknowledgement of which record, and what recipients said (R34).

-- Under which versions it has been allowed since it last was not, as of the pair's latest record; none where it is not.
alter table states add column granted_versions integer[] not null default '{}';

-- As the service would have kept it (consent_service/domain/propagation.py), record after record of each pair.
create function pg_temp.granted_after(
    before integer[], allowed boolean, by_consent boolean, standing integer, governing integer, named integer,
    unasked integer[])
returns integer[] language sql immutable as $$
    select case
        when not allowed then '{}'
        when before = '{}' then array[case when by_consent then standing else governing end]
        else (
            select array_agg(distinct number order by number)
            from unnest(
                before || named || case when by_consent then standing else governing end
                || array(
                    select number
                    from generate_series(before[cardinality(before)], governing) as number
                    where not by_consent or number = any (unasked))) as number
            where number is not null)
    end
$$;
create aggregate pg_temp.granted (boolean, boolean, integer, integer, integer, integer[]) (
    sfunc = pg_temp.granted_after, stype = integer[], initcond = '{}');

with unasked as (
    select controller, purpose, array_agg(version) as numbers
    from purpose_versions
    where content -> 'legal_bases' <> '[]' and not content -> 'legal_bases' ? 'consent'
    group by controller, purpose
), told as (
    select records.controller, records.subject_id, records.purpose, sequence, allowed, standing_version,
           governing_version, case when command in ('grant', 'confirm') then records.version end as named,
           coalesce(content -> 'legal_bases' ? 'consent', false) as by_consent
    from records
    join purpose_versions
        on purpose_versions.controller = records.controller
       and purpose_versions.purpose = records.purpose
       and purpose_versions.version = records.governing_version
    union all
    -- What needs no asking was allowed before the first record, under what governed when the person came.
    select subjects.controller, subjects.subject_id, first.purpose, 0, true, null,
           coalesce((
               select max(version)
               from purpose_versions as known
               where known.controller = subjects.controller
                 and known.purpose = first.purpose
                 and known.effective_from <= subjects.created_at), 1),
           null, false
    from (
        select controller, subject_id, purpose, min(recorded_at) as recorded_at
        from records
        where purpose is not null
        group by controller, subject_id, purpose) as first
    join subjects
        on subjects.controller = first.controller
       and subjects.subject_id = first.subject_id
    join unasked
        on unasked.controller = first.controller
       and unasked.purpose = first.purpose
    where (
        select max(version)
        from purpose_versions as governing
        where governing.controller = first.controller
          and governing.purpose = first.purpose
          and governing.effective_from <= first.recorded_at) = any (unasked.numbers)
), kept as (
    select told.controller, told.subject_id, told.purpose,
           pg_temp.granted(allowed, by_consent, standing_version, governing_version, named,
                           coalesce(unasked.numbers, '{}') order by sequence) as versions
    from told
    left join unasked
        on unasked.controller = told.controller
       and unasked.purpose = told.purpose
    group by told.controller, told.subject_id, told.purpose
)
update states
set granted_versions = kept.versions
from kept
where kept.controller = states.controller
  and kept.subject_id = states.subject_id
  and kept.purpose = states.purpose;

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
