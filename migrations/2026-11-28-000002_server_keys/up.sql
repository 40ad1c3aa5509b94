-- The key that all servers share, for rate-limit counters and device cookies: encrypted, once under each signing key that may
-- open it. The id is a keyed hash of that signing key.
CREATE TABLE server_keys (
    id TEXT NOT NULL PRIMARY KEY,
    sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
