-- migrate:up
-- Persons, known by an opaque subject_id; identifiers are linked to it and never stored in clear (R13, R19).
-- Every table of the ledger is distributed by subject_id on Citus, the hash tables by their own hash.

create table subjects (
    controller text not null,
    subject_id uuid not null,
    -- 0 to 63, from the fixed hash of the subject id (CORE 20); computed once.
    shard smallint not null,
    created_at timestamptz not null,
    last_sequence bigint not null default 0,
    last_hash bytea,
    last_recorded_at timestamptz,
    restricted_at timestamptz,
    suppressed_at timestamptz,
    erased_at timestamptz,
    merged_into uuid,
    constraint subjects_pkey primary key (controller, subject_id),
    constraint subjects_shard check (shard between 0 and 63),
    constraint subjects_head check ((last_sequence = 0) = (last_hash is null))
) with (fillfactor = 70);

-- A subject's own data key, sealed under the service's. Erasing a person is one delete here.
create table subject_keys (
    controller text not null,
    subject_id uuid not null,
    key_id text not null,
    sealed_key bytea not null,
    constraint subject_keys_pkey primary key (controller, subject_id)
);

create table identifiers (
    controller text not null,
    subject_id uuid not null,
    identifier_id uuid not null,
    type text not null,
    key_id text not null,
    sealed_value bytea not null,
    linked_at timestamptz not null,
    constraint identifiers_pkey primary key (controller, subject_id, identifier_id)
);

-- The key of the hash is the controller's own, so that one hash means one identifier of one controller.
create table identifier_hashes (
    hash bytea not null,
    controller text not null,
    subject_id uuid not null,
    identifier_id uuid not null,
    key_id text not null,
    constraint identifier_hashes_pkey primary key (hash),
    constraint identifier_hashes_length check (octet_length(hash) = 32)
);

-- Identifiers that must never be contacted again, whatever an import says.
create table suppressions (
    hash bytea not null,
    controller text not null,
    key_id text not null,
    suppressed_at timestamptz not null,
    constraint suppressions_pkey primary key (hash),
    constraint suppressions_length check (octet_length(hash) = 32)
);

-- migrate:down
