DROP INDEX audit_events_alert_due;
ALTER TABLE audit_events DROP COLUMN alert_attempts;
ALTER TABLE audit_events DROP COLUMN alert_due;
