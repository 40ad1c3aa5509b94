ALTER TABLE sessions DROP COLUMN delivery;
