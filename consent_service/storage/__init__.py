"""All SQL, the only importer of asyncpg. A function takes a connection inside the caller's transaction."""
