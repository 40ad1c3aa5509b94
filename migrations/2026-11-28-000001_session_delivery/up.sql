-- How a login's tokens reached the client: 'cookies' or 'body'. The default is for sessions from before this column and
-- for servers of an earlier version that still run beside this one: browsers go on being reissued.
ALTER TABLE sessions ADD COLUMN delivery TEXT NOT NULL DEFAULT 'cookies';
