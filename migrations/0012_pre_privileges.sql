-- migrate:up
-- Nobody keeps a privilege that no statement of theirs uses (R22). What is laid out for erasure, retention and
-- browsers' choices stays; tests/storage/test_needed_privileges.py names it.

revoke select on audit from consent_sweeper;
revoke select on ledger_epoch, outbox, purposes from consent_sweeper;
revoke insert on subjects from consent_sweeper;
revoke delete on idempotency from consent_sweeper;
revoke select on notices, purposes, states from consent_relay;

-- An auditor verifies the ledger and the stream; it needs nobody's identifiers, answers or drafts for that.
revoke select on
    acknowledgements, api_keys, choices, duties, idempotency, identifier_hashes, identifiers, key_holders, ledger_identity,
    purpose_drafts, purposes, relay_leases, relay_members, schema_migrations, screens, sites, stream_notices, suppressions, sweeper_lease, sweeps
    from consent_auditor;

-- migrate:down
