-- Services that ask about tokens, or revoke them. A secret is 256 random bits, so its plain SHA-256 cannot be reversed.
-- There are two secrets while a client moves from the previous to the current one. Permissions are words with spaces between.
CREATE TABLE clients (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL CONSTRAINT clients_name_unique UNIQUE,
    permissions TEXT NOT NULL,
    secret TEXT NOT NULL,
    secret_at BIGINT NOT NULL,
    previous_secret TEXT,
    created_at BIGINT NOT NULL
);
