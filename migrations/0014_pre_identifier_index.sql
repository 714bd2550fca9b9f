-- migrate:up transaction:false
-- An identifier's hashes are found by it: those that are missing, and those that go with it. Built while people write on:
-- this must be the only statement of its file, since no transaction can be around it.
create index concurrently if not exists identifier_hashes_identifier on identifier_hashes (identifier_id);

-- migrate:down
