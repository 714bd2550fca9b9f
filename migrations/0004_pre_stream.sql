-- migrate:up
-- The outbox, what relays agree on, the ledger's epoch and the audit trail (R22, R30, R31, CORE 19, 20).

-- A pointer, not a payload: the relay joins and encodes, and replay runs the same code.
-- A purpose's version has the nil subject, its slug in `purpose` and its number in `sequence`.
create table outbox (
    position bigint generated always as identity,
    kind text not null,
    controller text not null,
    subject_id uuid not null,
    purpose text,
    sequence bigint not null,
    shard smallint not null,
    traceparent text,
    staged_at timestamptz not null default clock_timestamp(),
    constraint outbox_pkey primary key (subject_id, position),
    constraint outbox_kind check (kind in ('record', 'purpose')),
    constraint outbox_shard check (shard between 0 and 63)
);

create index outbox_shard_position on outbox (shard, position);

-- One row a group of shards: who may publish it, until when. The epoch goes up with every new holder.
create table relay_leases (
    shard_group smallint not null,
    holder text,
    epoch bigint not null default 0,
    expires_at timestamptz,
    constraint relay_leases_pkey primary key (shard_group),
    constraint relay_leases_group check (shard_group between 0 and 7)
);

insert into relay_leases (shard_group) select generate_series(0, 7);

-- The highest row is in force. A new one is begun after a restore from a backup.
create table ledger_epoch (
    epoch integer not null,
    begun_at timestamptz not null default clock_timestamp(),
    reason text not null,
    constraint ledger_epoch_pkey primary key (epoch)
);

insert into ledger_epoch (epoch, reason) values (1, 'first start');

create table audit (
    audit_id uuid not null,
    controller text not null,
    at timestamptz not null,
    actor text not null,
    action text not null,
    subject_id uuid,
    details jsonb not null default '{}',
    constraint audit_pkey primary key (controller, audit_id)
);

create index audit_subject on audit (controller, subject_id) where subject_id is not null;

create trigger audit_append_only before update or delete on audit
    for each row execute function refuse_change();
create trigger audit_no_truncate before truncate on audit
    for each statement execute function refuse_change();

-- migrate:down
