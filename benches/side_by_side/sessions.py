"""Creates hundreds of thousands of sessions and their refresh tokens, as copies of the row and token of one login."""

import base64
import hashlib
import hmac
import json
import sqlite3
import statistics
import sys
import time

from client import Client
from load import run
from servers import PASSWORD, SECRET, log_in

# Ids as the server makes them, but for the digits that count.
USER = "019a4e52-7c3e-7d60-9f7b-"
SESSION = "019a4e52-7c3f-7d60-9f7b-"
EXPIRED = "019a4e52-7c40-7d60-9f7b-"
FIRST = 100_000_000_000


def numbered(prefix, n):
    return f"{prefix}{FIRST + n}"


def in_sql(prefix, n):
    """Returns the expression of `numbered` in SQL."""
    return f"'{prefix}' || CAST({FIRST} + {n} AS TEXT)"


class Sqlite:
    def __init__(self, bench, name):
        self.url = bench.sqlite(name)
        self.path = bench.scratch / f"{name}.db"

    def execute(self, *statements):
        """Executes statements in one transaction, without checking foreign keys."""
        connection = sqlite3.connect(self.path)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -500000")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    def ask(self, statement):
        connection = sqlite3.connect(self.path)
        rows = connection.execute(statement).fetchall()
        connection.close()
        return [row[0] for row in rows]

    def indexes(self, table):
        """Returns the statements that drop and create the indexes that belong to no constraint."""
        connection = sqlite3.connect(self.path)
        found = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = ?", (table,)
        ).fetchall()
        connection.close()
        return [f"DROP INDEX {name}" for name, _ in found], [sql for _, sql in found]

    def columns(self, table):
        connection = sqlite3.connect(self.path)
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]

    def settle(self):
        self.execute("ANALYZE")
        connection = sqlite3.connect(self.path)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    numbers = "WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < {}) "

    def single_commits_a_second(self, seconds, env):
        """Commits the same UPDATE on one connection, durable like the server's; in its own process, for `env`."""
        return float(run([sys.executable, __file__, self.path, seconds], env))


def single_commits_a_second(path, seconds):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    count, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        count += 1
        connection.execute(
            "UPDATE sessions SET generation = generation + 1, last_used_at = ? WHERE id = ?",
            (count, numbered(SESSION, count)),
        )
    return count / (time.monotonic() - began)


class Postgres:
    def __init__(self, bench, name, cluster=None):
        cluster = cluster or bench.postgres
        self.url = f"{cluster}/{name}"
        run(["psql", f"{cluster}/postgres", "-qc", f"CREATE DATABASE {name}"])

    def ask(self, statement):
        return run(["psql", self.url, "-Atqc", statement]).split("\n")[:-1]

    def execute(self, *statements):
        """Executes statements without checking foreign keys."""
        for statement in statements:
            self.ask(f"SET session_replication_role = replica; {statement}")

    def indexes(self, table):
        """Returns the statements that drop and create the indexes that belong to no constraint."""
        found = self.ask(
            f"SELECT indexname || '|' || indexdef FROM pg_indexes WHERE tablename = '{table}' AND indexname NOT IN "
            f"(SELECT conname FROM pg_constraint)"
        )
        pairs = [line.split("|", 1) for line in found]
        return [f"DROP INDEX {name}" for name, _ in pairs], [sql for _, sql in pairs]

    def columns(self, table):
        columns = "SELECT column_name FROM information_schema.columns WHERE table_name = '{}' ORDER BY ordinal_position"
        return self.ask(columns.format(table))

    def settle(self):
        self.ask("VACUUM ANALYZE")
        self.ask("CHECKPOINT")

    def size(self):
        return int(self.ask("SELECT pg_total_relation_size('sessions')")[0])

    numbers = "WITH n AS (SELECT generate_series(1, {}) AS n) "


class Filled:
    """Copies of one login's tokens, of numbered users and sessions."""

    def __init__(self, tokens, users):
        self.tokens, self.users = tokens, users
        read = lambda token: json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        self.claims = {kind: read(tokens[kind]) for kind in ("access_token", "refresh_token")}

    def token(self, kind, n):
        own = {"sub": numbered(USER, 1 + n % self.users), "sid": numbered(SESSION, n)}
        return signed(self.tokens[kind], self.claims[kind] | own)

    def access(self, n):
        return self.token("access_token", n)

    def refresh(self, n):
        return self.token("refresh_token", n)

    def all_refresh(self, count):
        return (self.refresh(n) for n in range(1, count + 1))


def fill(bench, database, count, users=None, more=None):
    """Creates `count` sessions of many users, each with an unused refresh token. The users are named user1, user2, … and have
    the same password. Without a number of users, each has at most ten sessions."""
    users = users or max(100, count // 10)
    bench.add_user(database.url, more)
    with bench.tokenpair(database.url, more) as server:
        server.wait()
        filled = Filled(log_in(server), users)
    claims = filled.claims["refresh_token"]
    name = "'user' || n"
    copy(database, "users", users, claims["sub"], {"id": in_sql(USER, "n"), "username": name, "username_key": name})
    owner = in_sql(USER, f"1 + n % {users}")
    copy(database, "sessions", count, claims["sid"], {"id": in_sql(SESSION, "n"), "user_id": owner})
    database.execute(f"DELETE FROM sessions WHERE id = '{claims['sid']}'", f"DELETE FROM users WHERE id = '{claims['sub']}'")
    database.settle()
    return filled


def copy(database, table, count, id, changed):
    """Inserts copies of a row, with these columns changed. Indexes are sooner made anew than kept up to date by millions."""
    columns = database.columns(table)
    values = ", ".join(changed.get(column, column) for column in columns)
    drop, create = database.indexes(table)
    insert = (
        f"{database.numbers.format(count)}INSERT INTO {table} ({', '.join(columns)}) "
        f"SELECT {values} FROM n, {table} WHERE id = '{id}'"
    )
    database.execute(*drop, insert, *create)


def signed(like, claims):
    text = json.dumps(claims, separators=(",", ":")).encode()
    signed_part = like.split(".")[0] + "." + encode(text)
    return signed_part + "." + encode(hmac.digest(SECRET.encode(), signed_part.encode(), hashlib.sha256))


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def median_refresh(server, tokens):
    """Returns the milliseconds of each token's first refresh, in sequence on one connection."""
    client = Client(server.port)
    return statistics.median(client.timed("POST", "/refresh", token) for token in tokens)


def median_login(server, users):
    """Returns the milliseconds of a login of each of these users, in sequence on one connection."""
    client = Client(server.port)
    login = lambda n: {"username": f"user{n}", "password": PASSWORD}
    return statistics.median(client.timed("POST", "/login", None, login(n)) for n in users)


if __name__ == "__main__":
    print(single_commits_a_second(sys.argv[1], float(sys.argv[2])))
