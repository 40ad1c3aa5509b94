-- Failures that are counted: of an account, of a network. The id is a keyed hash, since people type passwords into the
-- field for the name. A row means nothing from `until` on, and is then deleted.
CREATE TABLE throttle (
    id TEXT NOT NULL PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    until_at BIGINT NOT NULL
);

CREATE INDEX throttle_until_at ON throttle (until_at);
