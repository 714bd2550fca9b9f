-- migrate:up
-- Rotation of keys (R19, R22): a role that seals and hashes anew what is under another key than the one in use.

-- Processes that are alive, and which keys they know, those in use first: nothing is brought under a key that one of them
-- cannot open, and no key is forgotten that one of them has.
create table key_holders (
    holder text not null,
    lookup_ids text[] not null,
    sealing_ids text[] not null,
    expires_at timestamptz not null,
    constraint key_holders_pkey primary key (holder)
);

grant select, insert, update, delete on key_holders to consent_service, consent_sweeper;
grant select on key_holders to consent_keeper, consent_auditor;

grant usage on schema public to consent_keeper;
grant select on subject_keys, identifiers, identifier_hashes, suppressions to consent_keeper;
grant update (key_id, sealed_key) on subject_keys to consent_keeper;
grant update (key_id, sealed_value) on identifiers to consent_keeper;
grant insert, delete on identifier_hashes to consent_keeper;
grant insert on audit to consent_keeper;
grant execute on function controller_names() to consent_keeper;

do $$
declare
    guarded text;
begin
    foreach guarded in array array['subject_keys', 'identifiers', 'identifier_hashes', 'suppressions', 'audit']
    loop
        execute format(
            'create policy keepers_controllers on %I to consent_keeper '
            'using (controller = any (string_to_array(current_setting(''consent.controllers'', true), '','')))',
            guarded);
    end loop;
end
$$;

-- migrate:down
