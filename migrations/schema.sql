CREATE FUNCTION public.controller_names() RETURNS SETOF text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
begin
    return query select controller from controllers order by controller;
end
$$;

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'rows of % are never changed or removed', tg_table_name
        using errcode = 'restrict_violation', constraint = tg_table_name || '_append_only';
end
$$;

CREATE FUNCTION public.site_directory() RETURNS TABLE(site_key text, controller text, revision bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public', 'pg_temp'
    AS $$
begin
    return query
        select s.site_key, s.controller, c.revision
        from sites s
        join controllers c on c.controller = s.controller
        order by s.site_key;
end
$$;

CREATE TABLE public.acknowledgements (
    controller text NOT NULL,
    subject_id uuid NOT NULL,
    sequence bigint NOT NULL,
    recipient text NOT NULL,
    outcome text NOT NULL,
    due_at timestamp with time zone,
    purpose text,
    record_id uuid NOT NULL,
    acknowledgement_id uuid,
    at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    CONSTRAINT acknowledgements_due_at CHECK (((due_at IS NOT NULL) = (outcome = 'accepted'::text))),
    CONSTRAINT acknowledgements_outcome CHECK ((outcome = ANY (ARRAY['stopped'::text, 'started'::text, 'failed'::text, 'not_held'::text, 'accepted'::text, 'erased'::text])))
);

ALTER TABLE ONLY public.acknowledgements FORCE ROW LEVEL SECURITY;

CREATE TABLE public.api_keys (
    controller text NOT NULL,
    key_id text NOT NULL,
    hash bytea NOT NULL,
    name text NOT NULL,
    scopes text[] NOT NULL,
    purposes text[],
    recipient text,
    created_at timestamp with time zone NOT NULL,
    created_by text NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_keys_expires_at CHECK ((expires_at > created_at)),
    CONSTRAINT api_keys_hash CHECK ((octet_length(hash) = 32)),
    CONSTRAINT api_keys_key_id CHECK ((key_id ~ '^[a-z0-9]{12}$'::text)),
    CONSTRAINT api_keys_name CHECK ((name ~ '^[a-z0-9][a-z0-9-]{0,63}$'::text)),
    CONSTRAINT api_keys_scopes CHECK ((cardinality(scopes) > 0))
);

ALTER TABLE ONLY public.api_keys FORCE ROW LEVEL SECURITY;

CREATE TABLE public.audit (
    audit_id uuid NOT NULL,
    controller text NOT NULL,
    at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject_id uuid,
    details jsonb DEFAULT '{}'::jsonb NOT NULL,
    reason text
);

ALTER TABLE ONLY public.audit FORCE ROW LEVEL SECURITY;

CREATE TABLE public.choices (
    controller text NOT NULL,
    subject_id uuid NOT NULL,
    choice_id text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    fingerprint bytea NOT NULL,
    CONSTRAINT choices_fingerprint CHECK ((octet_length(fingerprint) = 32))
);

ALTER TABLE ONLY public.choices FORCE ROW LEVEL SECURITY;

CREATE TABLE public.controllers (
    controller text NOT NULL,
    legal_name text NOT NULL,
    content jsonb NOT NULL,
    topic_prefix text DEFAULT 'consent'::text NOT NULL,
    revision bigint DEFAULT 1 NOT NULL,
    CONSTRAINT controllers_slug CHECK ((controller ~ '^[a-z0-9][a-z0-9-]{0,63}$'::text)),
    CONSTRAINT controllers_topic_prefix CHECK ((topic_prefix ~ '^[a-z0-9][a-z0-9._-]{0,99}$'::text))
);

ALTER TABLE ONLY public.controllers FORCE ROW LEVEL SECURITY;

CREATE TABLE public.duties (
    controller text NOT NULL,
    subject_id uuid NOT NULL,
    sequence bigint NOT NULL,
    recipient text NOT NULL,
    purpose text NOT NULL,
    record_id uuid NOT NULL,
    allowed boolean NOT NULL,
    owed_since timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    settled_at timestamp with time zone,
    settled_by uuid,
    outcome text,
    acknowledged_at timestamp with time zone,
    noticed_at timestamp with time zone,
    CONSTRAINT duties_outcome CHECK ((outcome = ANY (ARRAY['stopped'::text, 'started'::text, 'not_held'::text, 'erased'::text]))),
    CONSTRAINT duties_settled CHECK ((((settled_at IS NULL) = (outcome IS NULL)) AND ((settled_at IS NULL) = (settled_by IS NULL)) AND ((settled_at IS NULL) = (acknowledged_at IS NULL))))
);

ALTER TABLE ONLY public.duties FORCE ROW LEVEL SECURITY;

CREATE TABLE public.filled_topics (
    topic text NOT NULL,
    shard_group smallint NOT NULL,
    topic_id uuid NOT NULL,
    ledger_epoch integer NOT NULL,
    filled_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT filled_topics_group CHECK (((shard_group >= 0) AND (shard_group <= 7)))
);

CREATE TABLE public.idempotency (
    key bytea NOT NULL,
    controller text NOT NULL,
    fingerprint bytea NOT NULL,
    status smallint NOT NULL,
    answer bytea NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    CONSTRAINT idempotency_key_length CHECK ((octet_length(key) = 32))
);

ALTER TABLE ONLY public.idempotency FORCE ROW LEVEL SECURITY;

CREATE TABLE public.identifier_hashes (
    hash bytea NOT NULL,
    controller text NOT NULL,
    subject_id uuid NOT NULL,
    identifier_id uuid NOT NULL,
    key_id text NOT NULL,
    CONSTRAINT identifier_hashes_length CHECK ((octet_length(hash) = 32))
);

ALTER TABLE ONLY public.identifier_hashes FORCE ROW LEVEL SECURITY;

CREATE TABLE public.identifiers (
    controller text NOT NULL,
    subject_id uuid NOT NULL,
    identifier_id uuid NOT NULL,
    type text NOT NULL,
    key_id text NOT NULL,
    sealed_value bytea NOT NULL,
    linked_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.identifiers FORCE ROW LEVEL SECURITY;

CREATE TABLE public.key_holders (
    holder text NOT NULL,
    lookup_ids text[] NOT NULL,
    sealing_ids text[] NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.ledger_epoch (
    epoch integer NOT NULL,
    begun_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    reason text NOT NULL
);

CREATE TABLE public.ledger_identity (
    ledger_id uuid DEFAULT gen_random_uuid() NOT NULL
);

CREATE TABLE public.notices (
    controller text NOT NULL,
    purpose text NOT NULL,
    version integer NOT NULL,
    language text NOT NULL,
    content jsonb NOT NULL,
    notice_hash bytea NOT NULL,
    CONSTRAINT notices_hash CHECK ((octet_length(notice_hash) = 32))
);

ALTER TABLE ONLY public.notices FORCE ROW LEVEL SECURITY;

CREATE TABLE public.outbox (
    "position" bigint NOT NULL,
    kind text NOT NULL,
    controller text NOT NULL,
    subject_id uuid NOT NULL,
    purpose text,
    sequence bigint NOT NULL,
    shard smallint NOT NULL,
    traceparent text,
    staged_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT outbox_kind CHECK ((kind = ANY (ARRAY['record'::text, 'purpose'::text, 'notice'::text]))),
    CONSTRAINT outbox_shard CHECK (((shard >= 0) AND (shard <= 63)))
);

ALTER TABLE ONLY public.outbox FORCE ROW LEVEL SECURITY;

ALTER TABLE public.outbox ALTER COLUMN "position" ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outbox_position_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.purpose_drafts (
    controller text NOT NULL,
    purpose text NOT NULL,
    content jsonb NOT NULL,
    saved_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.purpose_drafts FORCE ROW LEVEL SECURITY;

CREATE TABLE public.purpose_versions (
    controller text NOT NULL,
    purpose text NOT NULL,
    version integer NOT NULL,
    change text NOT NULL,
    effective_from timestamp with time zone NOT NULL,
    published_at timestamp with time zone NOT NULL,
    content jsonb NOT NULL,
    content_hash bytea NOT NULL,
    CONSTRAINT purpose_versions_change CHECK ((change = ANY (ARRAY['material'::text, 'editorial'::text]))),
    CONSTRAINT purpose_versions_hash CHECK ((octet_length(content_hash) = 32)),
    CONSTRAINT purpose_versions_not_past CHECK ((effective_from >= published_at)),
    CONSTRAINT purpose_versions_positive CHECK ((version >= 1))
);

ALTER TABLE ONLY public.purpose_versions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.purposes (
    controller text NOT NULL,
    purpose text NOT NULL,
    CONSTRAINT purposes_slug CHECK ((purpose ~ '^[a-z0-9][a-z0-9-]{0,63}$'::text))
);

ALTER TABLE ONLY public.purposes FORCE ROW LEVEL SECURITY;

CREATE TABLE public.record_details (
    controller text NOT NULL,
    subject_id uuid NOT NULL,
    record_id uuid NOT NULL,
    sealed bytea NOT NULL
);

ALTER TABLE ONLY public.record_details FORCE ROW LEVEL SECURITY;

CREATE TABLE public.records (
    record_id uuid NOT NULL,
    controller text NOT NULL,
    subject_id uuid NOT NULL,
    sequence bigint NOT NULL,
    purpose text,
    command text NOT NULL,
    status text,
    version integer,
    governing_version integer,
    recorded_at timestamp with time zone NOT NULL,
    occurred_at timestamp with time zone,
    effective_at timestamp with time zone NOT NULL,
    until timestamp with time zone,
    allowed boolean,
    reason text,
    cause text,
    superseded boolean NOT NULL,
    preferences jsonb,
    language text,
    notice_hash bytea,
    channel text NOT NULL,
    source text,
    choice_id text,
    screen_hash bytea,
    actor_commitment bytea,
    evidence_commitment bytea,
    previous_hash bytea NOT NULL,
    record_hash bytea NOT NULL,
    standing_version integer,
    standing_preferences jsonb,
    CONSTRAINT records_cause CHECK ((cause = ANY (ARRAY['purpose_changed'::text, 'authority'::text]))),
    CONSTRAINT records_channel CHECK ((channel = ANY (ARRAY['web'::text, 'email'::text, 'phone'::text, 'paper'::text, 'api'::text, 'import'::text, 'system'::text]))),
    CONSTRAINT records_command CHECK ((command = ANY (ARRAY['request'::text, 'confirm'::text, 'grant'::text, 'refuse'::text, 'defer'::text, 'withdraw'::text, 'object'::text, 'lift-objection'::text, 'prefer'::text, 'revoke'::text, 'invalidate'::text, 'expire'::text, 'restrict'::text, 'lift-restriction'::text, 'suppress'::text, 'lift-suppression'::text, 'erase'::text, 'merge'::text]))),
    CONSTRAINT records_effective CHECK ((effective_at <= recorded_at)),
    CONSTRAINT records_hashes CHECK (((octet_length(record_hash) = 32) AND (octet_length(previous_hash) = 32))),
    CONSTRAINT records_person_wide CHECK ((((purpose IS NULL) = (version IS NULL)) AND ((purpose IS NULL) = (status IS NULL)))),
    CONSTRAINT records_sequence CHECK ((sequence >= 1)),
    CONSTRAINT records_status CHECK ((status = ANY (ARRAY['unknown'::text, 'requested'::text, 'deferred'::text, 'given'::text, 'renewed'::text, 'refused'::text, 'withdrawn'::text, 'revoked'::text, 'expired'::text, 'invalidated'::text, 'objected'::text])))
);

ALTER TABLE ONLY public.records FORCE ROW LEVEL SECURITY;

CREATE TABLE public.relay_leases (
    shard_group smallint NOT NULL,
    holder text,
    epoch bigint DEFAULT 0 NOT NULL,
    expires_at timestamp with time zone,
    CONSTRAINT relay_leases_group CHECK (((shard_group >= 0) AND (shard_group <= 7)))
);

CREATE TABLE public.relay_members (
    holder text NOT NULL,
    expires_at timestamp with time zone NOT NULL
);

CREATE TABLE public.schema_migrations (
    version character varying NOT NULL
);

CREATE TABLE public.screens (
    controller text NOT NULL,
    site_key text NOT NULL,
    screen_hash bytea NOT NULL,
    language text NOT NULL,
    layer text NOT NULL,
    content jsonb NOT NULL,
    first_shown_at timestamp with time zone NOT NULL,
    CONSTRAINT screens_hash CHECK ((octet_length(screen_hash) = 32))
);

ALTER TABLE ONLY public.screens FORCE ROW LEVEL SECURITY;

CREATE TABLE public.sites (
    site_key text NOT NULL,
    controller text NOT NULL,
    origins text[] NOT NULL,
    purposes text[] NOT NULL,
    c15t jsonb DEFAULT '{}'::jsonb NOT NULL,
    texts jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT sites_slug CHECK ((site_key ~ '^[a-z0-9][a-z0-9-]{0,63}$'::text))
);

ALTER TABLE ONLY public.sites FORCE ROW LEVEL SECURITY;

CREATE TABLE public.states (
    controller text NOT NULL,
    subject_id uuid NOT NULL,
    purpose text NOT NULL,
    status text NOT NULL,
    command text NOT NULL,
    version integer NOT NULL,
    record_id uuid,
    sequence bigint NOT NULL,
    since timestamp with time zone,
    until timestamp with time zone,
    effective_at timestamp with time zone NOT NULL,
    preferences jsonb,
    preferences_record_id uuid,
    granted_versions integer[] DEFAULT '{}'::integer[] NOT NULL
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.states FORCE ROW LEVEL SECURITY;

CREATE TABLE public.stream_notices (
    number bigint NOT NULL,
    controller text NOT NULL,
    subject_id uuid NOT NULL,
    notice_id uuid NOT NULL,
    kind text NOT NULL,
    purpose text,
    noticed_at timestamp with time zone NOT NULL,
    content jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT stream_notices_kind CHECK ((kind = ANY (ARRAY['renewal_due'::text, 'identifier_linked'::text, 'identifier_removed'::text, 'recipient_late'::text])))
);

ALTER TABLE ONLY public.stream_notices FORCE ROW LEVEL SECURITY;

ALTER TABLE public.stream_notices ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.stream_notices_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.subject_keys (
    controller text NOT NULL,
    subject_id uuid NOT NULL,
    key_id text NOT NULL,
    sealed_key bytea NOT NULL
);

ALTER TABLE ONLY public.subject_keys FORCE ROW LEVEL SECURITY;

CREATE TABLE public.subjects (
    controller text NOT NULL,
    subject_id uuid NOT NULL,
    shard smallint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    last_sequence bigint DEFAULT 0 NOT NULL,
    last_hash bytea,
    last_recorded_at timestamp with time zone,
    restricted_at timestamp with time zone,
    suppressed_at timestamp with time zone,
    erased_at timestamp with time zone,
    merged_into uuid,
    CONSTRAINT subjects_head CHECK (((last_sequence = 0) = (last_hash IS NULL))),
    CONSTRAINT subjects_shard CHECK (((shard >= 0) AND (shard <= 63)))
)
WITH (fillfactor='70');

ALTER TABLE ONLY public.subjects FORCE ROW LEVEL SECURITY;

CREATE TABLE public.suppressions (
    hash bytea NOT NULL,
    controller text NOT NULL,
    key_id text NOT NULL,
    suppressed_at timestamp with time zone NOT NULL,
    CONSTRAINT suppressions_length CHECK ((octet_length(hash) = 32))
);

ALTER TABLE ONLY public.suppressions FORCE ROW LEVEL SECURITY;

CREATE TABLE public.sweeper_lease (
    only_one boolean DEFAULT true NOT NULL,
    holder text,
    expires_at timestamp with time zone,
    CONSTRAINT sweeper_lease_only_one CHECK (only_one)
);

CREATE TABLE public.sweeps (
    controller text NOT NULL,
    purpose text NOT NULL,
    version integer NOT NULL,
    started_at timestamp with time zone NOT NULL,
    walk_began_at timestamp with time zone NOT NULL,
    upto_subject uuid DEFAULT '00000000-0000-0000-0000-000000000000'::uuid NOT NULL,
    left_behind bigint DEFAULT 0 NOT NULL,
    swept bigint DEFAULT 0 NOT NULL,
    finished_at timestamp with time zone
);

ALTER TABLE ONLY public.sweeps FORCE ROW LEVEL SECURITY;

ALTER TABLE ONLY public.acknowledgements
    ADD CONSTRAINT acknowledgements_once UNIQUE NULLS NOT DISTINCT (controller, subject_id, sequence, recipient, outcome, due_at);

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (controller, key_id);

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (controller, audit_id);

ALTER TABLE ONLY public.choices
    ADD CONSTRAINT choices_pkey PRIMARY KEY (controller, subject_id, choice_id);

ALTER TABLE ONLY public.controllers
    ADD CONSTRAINT controllers_pkey PRIMARY KEY (controller);

ALTER TABLE ONLY public.duties
    ADD CONSTRAINT duties_pkey PRIMARY KEY (controller, subject_id, sequence, recipient);

ALTER TABLE ONLY public.filled_topics
    ADD CONSTRAINT filled_topics_pkey PRIMARY KEY (topic, shard_group);

ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.identifier_hashes
    ADD CONSTRAINT identifier_hashes_pkey PRIMARY KEY (hash);

ALTER TABLE ONLY public.identifiers
    ADD CONSTRAINT identifiers_pkey PRIMARY KEY (controller, subject_id, identifier_id);

ALTER TABLE ONLY public.key_holders
    ADD CONSTRAINT key_holders_pkey PRIMARY KEY (holder);

ALTER TABLE ONLY public.ledger_epoch
    ADD CONSTRAINT ledger_epoch_pkey PRIMARY KEY (epoch);

ALTER TABLE ONLY public.ledger_identity
    ADD CONSTRAINT ledger_identity_pkey PRIMARY KEY (ledger_id);

ALTER TABLE ONLY public.notices
    ADD CONSTRAINT notices_pkey PRIMARY KEY (controller, purpose, version, language);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (subject_id, "position");

ALTER TABLE ONLY public.purpose_drafts
    ADD CONSTRAINT purpose_drafts_pkey PRIMARY KEY (controller, purpose);

ALTER TABLE ONLY public.purpose_versions
    ADD CONSTRAINT purpose_versions_pkey PRIMARY KEY (controller, purpose, version);

ALTER TABLE ONLY public.purposes
    ADD CONSTRAINT purposes_pkey PRIMARY KEY (controller, purpose);

ALTER TABLE ONLY public.record_details
    ADD CONSTRAINT record_details_pkey PRIMARY KEY (controller, subject_id, record_id);

ALTER TABLE ONLY public.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (controller, subject_id, sequence);

ALTER TABLE ONLY public.relay_leases
    ADD CONSTRAINT relay_leases_pkey PRIMARY KEY (shard_group);

ALTER TABLE ONLY public.relay_members
    ADD CONSTRAINT relay_members_pkey PRIMARY KEY (holder);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.screens
    ADD CONSTRAINT screens_pkey PRIMARY KEY (controller, site_key, screen_hash);

ALTER TABLE ONLY public.sites
    ADD CONSTRAINT sites_pkey PRIMARY KEY (site_key);

ALTER TABLE ONLY public.states
    ADD CONSTRAINT states_pkey PRIMARY KEY (controller, subject_id, purpose);

ALTER TABLE ONLY public.stream_notices
    ADD CONSTRAINT stream_notices_pkey PRIMARY KEY (controller, subject_id, notice_id);

ALTER TABLE ONLY public.subject_keys
    ADD CONSTRAINT subject_keys_pkey PRIMARY KEY (controller, subject_id);

ALTER TABLE ONLY public.subjects
    ADD CONSTRAINT subjects_pkey PRIMARY KEY (controller, subject_id);

ALTER TABLE ONLY public.suppressions
    ADD CONSTRAINT suppressions_pkey PRIMARY KEY (hash);

ALTER TABLE ONLY public.sweeper_lease
    ADD CONSTRAINT sweeper_lease_pkey PRIMARY KEY (only_one);

ALTER TABLE ONLY public.sweeps
    ADD CONSTRAINT sweeps_pkey PRIMARY KEY (controller, purpose, version);

CREATE INDEX acknowledgements_received ON public.acknowledgements USING btree (controller, recipient, received_at);

CREATE INDEX audit_subject ON public.audit USING btree (controller, subject_id) WHERE (subject_id IS NOT NULL);

CREATE INDEX duties_late ON public.duties USING btree (due_at, subject_id, sequence, recipient) WHERE ((settled_at IS NULL) AND (noticed_at IS NULL));

CREATE INDEX duties_open ON public.duties USING btree (controller, recipient, owed_since, subject_id, sequence) INCLUDE (due_at) WHERE (settled_at IS NULL);

CREATE INDEX idempotency_expires_at ON public.idempotency USING btree (expires_at);

CREATE INDEX identifier_hashes_identifier ON public.identifier_hashes USING btree (identifier_id);

CREATE INDEX outbox_shard_position ON public.outbox USING btree (shard, "position");

CREATE INDEX records_record_id ON public.records USING btree (record_id);

CREATE INDEX states_until ON public.states USING btree (until, subject_id, purpose) WHERE (until IS NOT NULL);

CREATE INDEX stream_notices_number ON public.stream_notices USING btree (subject_id, number);

CREATE TRIGGER acknowledgements_append_only BEFORE DELETE OR UPDATE ON public.acknowledgements FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER acknowledgements_no_truncate BEFORE TRUNCATE ON public.acknowledgements FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER audit_append_only BEFORE DELETE OR UPDATE ON public.audit FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON public.audit FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER notices_append_only BEFORE DELETE OR UPDATE ON public.notices FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER notices_no_truncate BEFORE TRUNCATE ON public.notices FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER purpose_versions_append_only BEFORE DELETE OR UPDATE ON public.purpose_versions FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER purpose_versions_no_truncate BEFORE TRUNCATE ON public.purpose_versions FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER records_append_only BEFORE DELETE OR UPDATE ON public.records FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER records_no_truncate BEFORE TRUNCATE ON public.records FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER screens_append_only BEFORE DELETE OR UPDATE ON public.screens FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER screens_no_truncate BEFORE TRUNCATE ON public.screens FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_controller_fkey FOREIGN KEY (controller) REFERENCES public.controllers(controller);

ALTER TABLE ONLY public.notices
    ADD CONSTRAINT notices_version_fkey FOREIGN KEY (controller, purpose, version) REFERENCES public.purpose_versions(controller, purpose, version);

ALTER TABLE ONLY public.purpose_drafts
    ADD CONSTRAINT purpose_drafts_controller_fkey FOREIGN KEY (controller) REFERENCES public.controllers(controller);

ALTER TABLE ONLY public.purpose_versions
    ADD CONSTRAINT purpose_versions_purpose_fkey FOREIGN KEY (controller, purpose) REFERENCES public.purposes(controller, purpose);

ALTER TABLE ONLY public.purposes
    ADD CONSTRAINT purposes_controller_fkey FOREIGN KEY (controller) REFERENCES public.controllers(controller);

ALTER TABLE ONLY public.screens
    ADD CONSTRAINT screens_site_key_fkey FOREIGN KEY (site_key) REFERENCES public.sites(site_key);

ALTER TABLE ONLY public.sites
    ADD CONSTRAINT sites_controller_fkey FOREIGN KEY (controller) REFERENCES public.controllers(controller);

ALTER TABLE public.acknowledgements ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.api_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.audit ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.choices ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.controllers ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.duties ENABLE ROW LEVEL SECURITY;

CREATE POLICY every_controller ON public.acknowledgements TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.api_keys TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.audit TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.choices TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.controllers TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.duties TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.idempotency TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.identifier_hashes TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.identifiers TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.notices TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.outbox TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.purpose_drafts TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.purpose_versions TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.purposes TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.record_details TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.records TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.screens TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.sites TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.states TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.stream_notices TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.subject_keys TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.subjects TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.suppressions TO consent_owner, consent_relay, consent_auditor USING (true);

CREATE POLICY every_controller ON public.sweeps TO consent_owner, consent_relay, consent_auditor USING (true);

ALTER TABLE public.idempotency ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.identifier_hashes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.identifiers ENABLE ROW LEVEL SECURITY;

CREATE POLICY keepers_controllers ON public.audit TO consent_keeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY keepers_controllers ON public.identifier_hashes TO consent_keeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY keepers_controllers ON public.identifiers TO consent_keeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY keepers_controllers ON public.subject_keys TO consent_keeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY keepers_controllers ON public.suppressions TO consent_keeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

ALTER TABLE public.notices ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.outbox ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_controllers ON public.acknowledgements TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.api_keys TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.audit TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.choices TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.controllers TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.duties TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.idempotency TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.identifier_hashes TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.identifiers TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.notices TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.outbox TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.purpose_drafts TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.purpose_versions TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.purposes TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.record_details TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.records TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.screens TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.sites TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.states TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.stream_notices TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.subject_keys TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.subjects TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.suppressions TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

CREATE POLICY own_controllers ON public.sweeps TO consent_service, consent_sweeper USING ((controller = ANY (string_to_array(current_setting('consent.controllers'::text, true), ','::text))));

ALTER TABLE public.purpose_drafts ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.purpose_versions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.purposes ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.record_details ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.records ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.screens ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.sites ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.states ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.stream_notices ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.subject_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.subjects ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.suppressions ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.sweeps ENABLE ROW LEVEL SECURITY;

GRANT USAGE ON SCHEMA public TO consent_service;
GRANT USAGE ON SCHEMA public TO consent_relay;
GRANT USAGE ON SCHEMA public TO consent_sweeper;
GRANT USAGE ON SCHEMA public TO consent_auditor;
GRANT USAGE ON SCHEMA public TO consent_keeper;

REVOKE ALL ON FUNCTION public.controller_names() FROM PUBLIC;
GRANT ALL ON FUNCTION public.controller_names() TO consent_sweeper;
GRANT ALL ON FUNCTION public.controller_names() TO consent_service;
GRANT ALL ON FUNCTION public.controller_names() TO consent_keeper;

REVOKE ALL ON FUNCTION public.site_directory() FROM PUBLIC;
GRANT ALL ON FUNCTION public.site_directory() TO consent_service;

GRANT SELECT,INSERT ON TABLE public.acknowledgements TO consent_service;

GRANT SELECT ON TABLE public.api_keys TO consent_service;

GRANT UPDATE(last_used_at) ON TABLE public.api_keys TO consent_service;

GRANT SELECT,INSERT ON TABLE public.audit TO consent_service;
GRANT INSERT ON TABLE public.audit TO consent_sweeper;
GRANT SELECT ON TABLE public.audit TO consent_auditor;
GRANT INSERT ON TABLE public.audit TO consent_relay;
GRANT INSERT ON TABLE public.audit TO consent_keeper;

GRANT SELECT,INSERT ON TABLE public.choices TO consent_service;

GRANT SELECT,INSERT,UPDATE ON TABLE public.controllers TO consent_service;
GRANT SELECT ON TABLE public.controllers TO consent_sweeper;
GRANT SELECT ON TABLE public.controllers TO consent_relay;
GRANT SELECT ON TABLE public.controllers TO consent_auditor;

GRANT SELECT,INSERT,UPDATE ON TABLE public.duties TO consent_service;
GRANT SELECT,INSERT,UPDATE ON TABLE public.duties TO consent_sweeper;

GRANT SELECT,INSERT,UPDATE ON TABLE public.filled_topics TO consent_relay;
GRANT SELECT ON TABLE public.filled_topics TO consent_auditor;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency TO consent_service;
GRANT SELECT,INSERT,UPDATE ON TABLE public.idempotency TO consent_sweeper;

GRANT SELECT,INSERT,DELETE ON TABLE public.identifier_hashes TO consent_service;
GRANT SELECT,INSERT,DELETE ON TABLE public.identifier_hashes TO consent_keeper;

GRANT SELECT,INSERT,DELETE ON TABLE public.identifiers TO consent_service;
GRANT SELECT ON TABLE public.identifiers TO consent_keeper;

GRANT UPDATE(key_id) ON TABLE public.identifiers TO consent_keeper;

GRANT UPDATE(sealed_value) ON TABLE public.identifiers TO consent_keeper;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.key_holders TO consent_service;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.key_holders TO consent_sweeper;
GRANT SELECT ON TABLE public.key_holders TO consent_keeper;

GRANT SELECT ON TABLE public.ledger_epoch TO consent_service;
GRANT SELECT ON TABLE public.ledger_epoch TO consent_relay;
GRANT SELECT ON TABLE public.ledger_epoch TO consent_auditor;

GRANT SELECT ON TABLE public.ledger_identity TO consent_relay;
GRANT SELECT ON TABLE public.ledger_identity TO consent_service;

GRANT SELECT,INSERT ON TABLE public.notices TO consent_service;
GRANT SELECT ON TABLE public.notices TO consent_sweeper;
GRANT SELECT ON TABLE public.notices TO consent_auditor;

GRANT INSERT ON TABLE public.outbox TO consent_service;
GRANT INSERT ON TABLE public.outbox TO consent_sweeper;
GRANT SELECT,DELETE ON TABLE public.outbox TO consent_relay;
GRANT SELECT ON TABLE public.outbox TO consent_auditor;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.purpose_drafts TO consent_service;

GRANT SELECT,INSERT ON TABLE public.purpose_versions TO consent_service;
GRANT SELECT ON TABLE public.purpose_versions TO consent_sweeper;
GRANT SELECT ON TABLE public.purpose_versions TO consent_relay;
GRANT SELECT ON TABLE public.purpose_versions TO consent_auditor;

GRANT SELECT,INSERT ON TABLE public.purposes TO consent_service;

GRANT SELECT,INSERT,DELETE ON TABLE public.record_details TO consent_service;
GRANT SELECT,INSERT,DELETE ON TABLE public.record_details TO consent_sweeper;
GRANT SELECT ON TABLE public.record_details TO consent_auditor;

GRANT SELECT,INSERT ON TABLE public.records TO consent_service;
GRANT SELECT,INSERT ON TABLE public.records TO consent_sweeper;
GRANT SELECT ON TABLE public.records TO consent_relay;
GRANT SELECT ON TABLE public.records TO consent_auditor;

GRANT SELECT,UPDATE ON TABLE public.relay_leases TO consent_relay;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.relay_members TO consent_relay;

GRANT SELECT,INSERT ON TABLE public.screens TO consent_service;

GRANT SELECT,INSERT,UPDATE ON TABLE public.sites TO consent_service;

GRANT SELECT,INSERT,UPDATE ON TABLE public.states TO consent_service;
GRANT SELECT,INSERT,UPDATE ON TABLE public.states TO consent_sweeper;
GRANT SELECT ON TABLE public.states TO consent_auditor;

GRANT SELECT,INSERT ON TABLE public.stream_notices TO consent_service;
GRANT SELECT,INSERT ON TABLE public.stream_notices TO consent_sweeper;
GRANT SELECT ON TABLE public.stream_notices TO consent_relay;

GRANT SELECT,INSERT,DELETE ON TABLE public.subject_keys TO consent_service;
GRANT SELECT ON TABLE public.subject_keys TO consent_sweeper;
GRANT SELECT ON TABLE public.subject_keys TO consent_auditor;
GRANT SELECT ON TABLE public.subject_keys TO consent_keeper;

GRANT UPDATE(key_id) ON TABLE public.subject_keys TO consent_keeper;

GRANT UPDATE(sealed_key) ON TABLE public.subject_keys TO consent_keeper;

GRANT SELECT,INSERT,UPDATE ON TABLE public.subjects TO consent_service;
GRANT SELECT,UPDATE ON TABLE public.subjects TO consent_sweeper;
GRANT SELECT ON TABLE public.subjects TO consent_relay;
GRANT SELECT ON TABLE public.subjects TO consent_auditor;

GRANT SELECT,INSERT,DELETE ON TABLE public.suppressions TO consent_service;
GRANT SELECT ON TABLE public.suppressions TO consent_keeper;

GRANT SELECT,UPDATE ON TABLE public.sweeper_lease TO consent_sweeper;

GRANT SELECT,INSERT,UPDATE ON TABLE public.sweeps TO consent_sweeper;
