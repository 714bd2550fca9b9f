-- migrate:up
-- The public interface of sites: whose a site key is, what was on screen, which choices were taken (R36, R37).

-- A browser brings a site key and no controller. This tells whose it is, and whether a copy of the catalogue is old;
-- what a site or its catalogue says is read in a transaction of that one controller.
create function site_directory() returns table (site_key text, controller text, revision bigint)
    language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp
    as $$
begin
    return query
        select s.site_key, s.controller, c.revision
        from sites s
        join controllers c on c.controller = s.controller
        order by s.site_key;
end
$$;
revoke execute on function site_directory() from public;
grant execute on function site_directory() to consent_service;

-- What a visitor had before them, once for each site. `content` is what `screen_hash` is the hash of.
create table screens (
    controller text not null,
    site_key text not null,
    screen_hash bytea not null,
    language text not null,
    layer text not null,
    content jsonb not null,
    first_shown_at timestamptz not null,
    constraint screens_pkey primary key (controller, site_key, screen_hash),
    constraint screens_site_key_fkey foreign key (site_key) references sites (site_key),
    constraint screens_hash check (octet_length(screen_hash) = 32)
);

create trigger screens_append_only before update or delete on screens
    for each row execute function refuse_change();
create trigger screens_no_truncate before truncate on screens
    for each statement execute function refuse_change();

-- What a choice said, so that the same id with another content is told and not taken for a repetition. No release before
-- this one keeps choices.
alter table choices add column fingerprint bytea not null;
alter table choices add constraint choices_fingerprint check (octet_length(fingerprint) = 32);

grant select, insert on screens to consent_service;
grant select on screens to consent_auditor;

alter table screens enable row level security;
alter table screens force row level security;
create policy own_controllers on screens to consent_service, consent_sweeper
    using (controller = any (string_to_array(current_setting('consent.controllers', true), ',')));
create policy every_controller on screens to consent_owner, consent_relay, consent_auditor using (true);

-- migrate:down
