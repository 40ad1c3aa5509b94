-- One text for SQLite and PostgreSQL: ids are TEXT, instants BIGINT seconds since 1970, and every column is supplied by
-- the program, so there are no defaults and no sequences.

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL CONSTRAINT users_username_key_unique UNIQUE,
    password_hash TEXT NOT NULL,
    roles TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT
);

CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    epoch BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    previous_generation BIGINT,
    previous_barred BOOLEAN NOT NULL,
    rotated_at BIGINT NOT NULL,
    handed_at BIGINT,
    confirmed_at BIGINT,
    seed TEXT NOT NULL,
    remember BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    user_agent TEXT,
    ip TEXT,
    revoked_at BIGINT,
    revoke_reason TEXT
);

-- Only on columns that never change: a refresh then updates no index.
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

-- What was ended before its time: a session, or the tokens of a user from before an epoch.
CREATE TABLE revocations (
    id TEXT NOT NULL PRIMARY KEY,
    session_id TEXT,
    user_id TEXT,
    lowest_epoch BIGINT,
    at BIGINT NOT NULL
);

CREATE INDEX revocations_at ON revocations (at);
