-- Events that are alerts wait here for the webhook: alert_due is the time of the next attempt, and NULL for an event that is no
-- alert, that was delivered or that was given up. The default is for servers of an earlier version that still run beside this one.
ALTER TABLE audit_events ADD COLUMN alert_due BIGINT;
ALTER TABLE audit_events ADD COLUMN alert_attempts BIGINT NOT NULL DEFAULT 0;
CREATE INDEX audit_events_alert_due ON audit_events (alert_due) WHERE alert_due IS NOT NULL;
