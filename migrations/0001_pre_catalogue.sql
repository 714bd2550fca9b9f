-- migrate:up
-- The catalogue: controllers, their sites, and purposes with immutable numbered versions (R1 to R6, CORE 5, 15).
-- Small, read by every process and kept in memory there; on Citus these are reference tables.

create table controllers (
    controller text not null,
    legal_name text not null,
    content jsonb not null,
    topic_prefix text not null default 'consent',
    -- Goes up with every change of the controller's catalogue, so that processes notice that their copy is old.
    revision bigint not null default 1,
    constraint controllers_pkey primary key (controller),
    constraint controllers_slug check (controller ~ '^[a-z0-9][a-z0-9-]{0,63}$'),
    constraint controllers_topic_prefix check (topic_prefix ~ '^[a-z0-9][a-z0-9._-]{0,99}$')
);

create table sites (
    site_key text not null,
    controller text not null,
    origins text[] not null,
    purposes text[] not null,
    constraint sites_pkey primary key (site_key),
    constraint sites_controller_fkey foreign key (controller) references controllers (controller),
    constraint sites_slug check (site_key ~ '^[a-z0-9][a-z0-9-]{0,63}$')
);

create table purposes (
    controller text not null,
    purpose text not null,
    constraint purposes_pkey primary key (controller, purpose),
    constraint purposes_controller_fkey foreign key (controller) references controllers (controller),
    constraint purposes_slug check (purpose ~ '^[a-z0-9][a-z0-9-]{0,63}$')
);

create table purpose_versions (
    controller text not null,
    purpose text not null,
    version integer not null,
    change text not null,
    effective_from timestamptz not null,
    published_at timestamptz not null,
    content jsonb not null,
    content_hash bytea not null,
    constraint purpose_versions_pkey primary key (controller, purpose, version),
    constraint purpose_versions_purpose_fkey foreign key (controller, purpose) references purposes (controller, purpose),
    constraint purpose_versions_positive check (version >= 1),
    constraint purpose_versions_change check (change in ('material', 'editorial')),
    constraint purpose_versions_not_past check (effective_from >= published_at),
    constraint purpose_versions_hash check (octet_length(content_hash) = 32)
);

create table notices (
    controller text not null,
    purpose text not null,
    version integer not null,
    language text not null,
    content jsonb not null,
    notice_hash bytea not null,
    constraint notices_pkey primary key (controller, purpose, version, language),
    constraint notices_version_fkey foreign key (controller, purpose, version)
        references purpose_versions (controller, purpose, version),
    constraint notices_hash check (octet_length(notice_hash) = 32)
);

create table purpose_drafts (
    controller text not null,
    purpose text not null,
    content jsonb not null,
    saved_at timestamptz not null,
    constraint purpose_drafts_pkey primary key (controller, purpose),
    constraint purpose_drafts_controller_fkey foreign key (controller) references controllers (controller)
);

-- migrate:down
