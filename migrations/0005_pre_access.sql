-- migrate:up
-- Who may do what (R22, CORE 19). The roles are made beforehand by `consent-service database prepare`.
-- Row-level security is forced everywhere a controller owns rows: service and sweeper see those of the
-- transaction's own list and nothing without one; owner, relay and auditor see all rows of what they are granted.

grant usage on schema public to consent_service, consent_relay, consent_sweeper, consent_auditor;

grant select, insert, update on controllers, sites to consent_service;
grant select, insert on purposes, purpose_versions, notices to consent_service;
grant select, insert, update, delete on purpose_drafts to consent_service;

grant select, insert, update on subjects, states to consent_service, consent_sweeper;
grant select, insert, delete on subject_keys to consent_service;
grant select on subject_keys to consent_sweeper;
grant select, insert, delete on identifiers, identifier_hashes, suppressions to consent_service;
grant select, insert on records to consent_service, consent_sweeper;
grant select, insert, delete on record_details to consent_service, consent_sweeper;
grant select, insert on choices to consent_service;
grant select, insert, update, delete on idempotency to consent_service;
grant select, delete on idempotency to consent_sweeper;
grant insert on outbox to consent_service, consent_sweeper;
grant select, insert on audit to consent_service, consent_sweeper;
grant select on controllers, purposes, purpose_versions, notices to consent_sweeper;

grant select, delete on outbox to consent_relay;
grant select on controllers, purposes, purpose_versions, notices, subjects, records, states to consent_relay;
grant select, update on relay_leases to consent_relay;
grant select on ledger_epoch to consent_service, consent_relay, consent_sweeper;

grant select on all tables in schema public to consent_auditor;

do $$
declare
    guarded text;
begin
    foreach guarded in array array[
        'controllers', 'sites', 'purposes', 'purpose_versions', 'notices', 'purpose_drafts',
        'subjects', 'subject_keys', 'identifiers', 'identifier_hashes', 'suppressions',
        'records', 'record_details', 'states', 'choices', 'idempotency', 'outbox', 'audit']
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
