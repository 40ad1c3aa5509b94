-- What happened to accounts and sessions, for those who have to answer for it. No foreign keys: events outlive what
-- they tell of, and go by age alone.
CREATE TABLE audit_events (
    id TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    user_id TEXT,
    session_id TEXT,
    actor_id TEXT,
    ip TEXT,
    detail TEXT
);

CREATE INDEX audit_events_at ON audit_events (at);
CREATE INDEX audit_events_user_id ON audit_events (user_id, id);
