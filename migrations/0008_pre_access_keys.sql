-- migrate:up
-- API keys for machines that have no issuer, and the reasons of what the audit trail tells (decision 0011).

-- A key names its controller, so that it is looked up among that controller's own rows. Of the key itself there is a
-- hash alone. Small, and read at most once in seconds for each key; on Citus this is a reference table.
create table api_keys (
    controller text not null,
    key_id text not null,
    hash bytea not null,
    name text not null,
    scopes text[] not null,
    purposes text[],
    recipient text,
    created_at timestamptz not null,
    created_by text not null,
    expires_at timestamptz not null,
    last_used_at timestamptz,
    revoked_at timestamptz,
    constraint api_keys_pkey primary key (controller, key_id),
    constraint api_keys_controller_fkey foreign key (controller) references controllers (controller),
    constraint api_keys_key_id check (key_id ~ '^[a-z0-9]{12}$'),
    constraint api_keys_hash check (octet_length(hash) = 32),
    constraint api_keys_name check (name ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    constraint api_keys_scopes check (cardinality(scopes) > 0),
    constraint api_keys_expires_at check (expires_at > created_at)
);

alter table audit add column reason text;

-- Keys are made and revoked by the owner alone: a service that somebody has broken into makes none, and takes back no
-- revocation. All that it writes is when a key was used.
grant select on api_keys to consent_service, consent_auditor;
grant update (last_used_at) on api_keys to consent_service;
-- What is published again, by the relay's role, is told before.
grant insert on audit to consent_relay;

alter table api_keys enable row level security;
alter table api_keys force row level security;
create policy own_controllers on api_keys to consent_service, consent_sweeper
    using (controller = any (string_to_array(current_setting('consent.controllers', true), ',')));
create policy every_controller on api_keys to consent_owner, consent_relay, consent_auditor using (true);

-- migrate:down
