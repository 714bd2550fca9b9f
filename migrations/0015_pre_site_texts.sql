-- migrate:up
-- Words that a site's banner has instead of the service's own, by language (R37, R40); none where it has no others.
-- The release before leaves them as they are, and shows its own.

alter table sites add column texts jsonb not null default '{}';

-- migrate:down
