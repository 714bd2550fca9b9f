-- migrate:up
-- A recipient's word about a record of the person as a whole is about every purpose (R13, R34).
alter table acknowledgements alter column purpose drop not null;

-- migrate:down
