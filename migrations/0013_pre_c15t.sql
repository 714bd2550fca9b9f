-- migrate:up
-- Which of a site's purposes stand under each category of c15t's banner (R39); none where the site has another banner.
-- The release before leaves it as it is.

alter table sites add column c15t jsonb not null default '{}';

-- migrate:down
