"""Creates hundreds of thousands of sessions and their refresh tokens, as copies of the row and token of one login."""

import base64
import hashlib
import hmac
import json
import socket
import sqlite3
import statistics
import sys
import time

from load import run
from servers import SECRET, log_in

USERS = 1000


class Sqlite:
    def __init__(self, bench, name):
        self.url = bench.sqlite(name)
        self.path = bench.scratch / f"{name}.db"

    def execute(self, *statements):
        connection = sqlite3.connect(self.path)
        connection.execute("PRAGMA synchronous = OFF")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

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
            "UPDATE sessions SET generation = generation + 1, last_used_at = ? WHERE id = ?", (count, f"s{count}")
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
        for statement in statements:
            self.ask(statement)

    def columns(self, table):
        columns = "SELECT column_name FROM information_schema.columns WHERE table_name = '{}' ORDER BY ordinal_position"
        return self.ask(columns.format(table))

    def settle(self):
        self.ask("VACUUM ANALYZE")
        self.ask("CHECKPOINT")

    def size(self):
        return int(self.ask("SELECT pg_total_relation_size('sessions')")[0])

    numbers = "WITH n AS (SELECT generate_series(1, {}) AS n) "


def fill(bench, database, count):
    """Creates `count` sessions of many users, each with an unused refresh token. Yields the tokens."""
    bench.add_user(database.url)
    with bench.tokenpair(database.url) as server:
        server.wait()
        refresh = log_in(server)["refresh_token"]
    claims = json.loads(base64.urlsafe_b64decode(refresh.split(".")[1] + "=="))
    user, session = claims["sub"], claims["sid"]
    copy(database, "users", USERS, user, {"id": "'u' || n", "username": "'user' || n", "username_key": "'user' || n"})
    copy(database, "sessions", count, session, {"id": "'s' || n", "user_id": f"'u' || (1 + n % {USERS})"})
    database.execute(f"DELETE FROM users WHERE id = '{user}'")
    database.settle()
    return (signed(refresh, claims | {"sub": f"u{1 + n % USERS}", "sid": f"s{n}"}) for n in range(1, count + 1))


def copy(database, table, count, id, changed):
    columns = database.columns(table)
    values = ", ".join(changed.get(column, column) for column in columns)
    database.execute(
        f"{database.numbers.format(count)}INSERT INTO {table} ({', '.join(columns)}) "
        f"SELECT {values} FROM n, {table} WHERE id = '{id}'"
    )


def signed(like, claims):
    text = json.dumps(claims, separators=(",", ":")).encode()
    signed_part = like.split(".")[0] + "." + encode(text)
    return signed_part + "." + encode(hmac.digest(SECRET.encode(), signed_part.encode(), hashlib.sha256))


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def median_refresh(server, tokens):
    """Returns the milliseconds of each token's first refresh, in sequence on one connection."""
    times = []
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for token in tokens:
            head = f"POST /refresh HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n"
            began = time.perf_counter()
            connection.sendall(head.encode())
            answer = connection.recv(65536)
            times.append(time.perf_counter() - began)
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise SystemExit(f"not every answer was good: {answer!r}")
    return statistics.median(times) * 1000


if __name__ == "__main__":
    print(single_commits_a_second(sys.argv[1], float(sys.argv[2])))
