-- migrate:up
-- The ledger: two rows a record (R21). The skeleton is append-only, by grants and by trigger; the sealed details
-- may go when retention or erasure demands it. Columns in the order of the canonical encoding (CORE 18).

create table records (
    record_id uuid not null,
    controller text not null,
    subject_id uuid not null,
    sequence bigint not null,
    purpose text,
    command text not null,
    status text,
    version integer,
    governing_version integer,
    recorded_at timestamptz not null,
    occurred_at timestamptz,
    effective_at timestamptz not null,
    until timestamptz,
    allowed boolean,
    reason text,
    cause text,
    superseded boolean not null,
    preferences jsonb,
    language text,
    notice_hash bytea,
    channel text not null,
    source text,
    choice_id text,
    screen_hash bytea,
    actor_commitment bytea,
    evidence_commitment bytea,
    previous_hash bytea not null,
    record_hash bytea not null,
    -- Not part of the encoding: they follow from the records before.
    standing_version integer,
    standing_preferences jsonb,
    constraint records_pkey primary key (controller, subject_id, sequence),
    constraint records_sequence check (sequence >= 1),
    constraint records_command check (command in (
        'request', 'confirm', 'grant', 'refuse', 'defer', 'withdraw', 'object', 'lift-objection', 'prefer',
        'revoke', 'invalidate', 'expire',
        'restrict', 'lift-restriction', 'suppress', 'lift-suppression', 'erase', 'merge')),
    constraint records_status check (status in (
        'unknown', 'requested', 'deferred', 'given', 'renewed', 'refused', 'withdrawn', 'revoked', 'expired',
        'invalidated', 'objected')),
    constraint records_channel check (channel in (
        'web', 'email', 'phone', 'paper', 'api', 'import', 'system')),
    constraint records_cause check (cause in ('purpose_changed', 'authority')),
    constraint records_person_wide check (
        (purpose is null) = (version is null) and (purpose is null) = (status is null)),
    constraint records_effective check (effective_at <= recorded_at),
    constraint records_hashes check (octet_length(record_hash) = 32 and octet_length(previous_hash) = 32)
);

-- Not unique: on Citus a unique constraint would have to carry the subject. Version 7 ids do not collide.
create index records_record_id on records (record_id);

create table record_details (
    controller text not null,
    subject_id uuid not null,
    record_id uuid not null,
    sealed bytea not null,
    constraint record_details_pkey primary key (controller, subject_id, record_id)
);

-- What stands for one subject and purpose, as stored; expiry and material change are judged when it is read.
create table states (
    controller text not null,
    subject_id uuid not null,
    purpose text not null,
    status text not null,
    command text not null,
    version integer not null,
    record_id uuid,
    sequence bigint not null,
    since timestamptz,
    until timestamptz,
    effective_at timestamptz not null,
    preferences jsonb,
    preferences_record_id uuid,
    constraint states_pkey primary key (controller, subject_id, purpose)
) with (fillfactor = 70);

create index states_until on states (until) where until is not null;

-- A banner's choice is unique for ever, so that an offline replay is the same choice (R36).
create table choices (
    controller text not null,
    subject_id uuid not null,
    choice_id text not null,
    recorded_at timestamptz not null,
    constraint choices_pkey primary key (controller, subject_id, choice_id)
);

create table idempotency (
    key bytea not null,
    controller text not null,
    fingerprint bytea not null,
    status smallint not null,
    answer bytea not null,
    expires_at timestamptz not null,
    constraint idempotency_pkey primary key (key),
    constraint idempotency_key_length check (octet_length(key) = 32)
);

create index idempotency_expires_at on idempotency (expires_at);

create function refuse_change() returns trigger
    language plpgsql
    as $$
begin
    raise exception 'rows of % are never changed or removed', tg_table_name
        using errcode = 'restrict_violation', constraint = tg_table_name || '_append_only';
end
$$;

create trigger records_append_only before update or delete on records
    for each row execute function refuse_change();
create trigger records_no_truncate before truncate on records
    for each statement execute function refuse_change();
create trigger purpose_versions_append_only before update or delete on purpose_versions
    for each row execute function refuse_change();
create trigger purpose_versions_no_truncate before truncate on purpose_versions
    for each statement execute function refuse_change();
create trigger notices_append_only before update or delete on notices
    for each row execute function refuse_change();
create trigger notices_no_truncate before truncate on notices
    for each statement execute function refuse_change();

-- migrate:down
