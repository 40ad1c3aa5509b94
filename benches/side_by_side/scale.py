"""Measures the server with millions of rows, and four servers on one PostgreSQL. See scripts/scale."""

import itertools
import os
import random
import statistics
import sys
import time

from client import Client, Load, paced
from load import cpu_per_request, wrk_logouts
from report import Row, write_scale
from rounds import Rounds, Spread
from servers import PASSWORD, Bench, browser_cookies, log_in
from sessions import EXPIRED, SESSION, Filled, Postgres, Sqlite, fill, in_sql, median_login, median_refresh, numbered

QUICK = os.environ.get("SCALE_QUICK") == "1"
MANY, FEW = (100_000, 1_000) if QUICK else (10_000_000, 1_000)
PURGED = 50_000 if QUICK else 1_000_000
REVOKED = 50_000 if QUICK else 1_000_000
ROUNDS = 4 if QUICK else 16
# Longer than the minute that each sync looks back.
LOGOUTS, SECONDS = (500, 5) if QUICK else (2_000, 75)
REPLICAS = 4
# The cheapest hash that the server accepts, so that a login is as much as possible of the database.
CHEAP = {"PASSWORD_BCRYPT_COST": "10"}
MILLION = f"{MANY:,}"
FLUSH = "a flush of another file"


def say(text):
    print(text, file=sys.stderr, flush=True)


def growth(bench, databases):
    """Compares few sessions with many, and leaves the large databases to the purge."""
    for kind in (Postgres, Sqlite):
        small, large = kind(bench, "few"), kind(bench, "many")
        tokens = {"few": fill(bench, small, FEW, more=CHEAP), "many": fill(bench, large, MANY, more=CHEAP)}
        say(f"{kind.__name__}: filled")
        databases[kind] = (large, tokens["many"])
        servers = {"few": bench.tokenpair(small.url, CHEAP), "many": bench.tokenpair(large.url, CHEAP)}
        for server in servers.values():
            server.wait()
        unused = {"few": random.sample(range(1, FEW + 1), FEW), "many": random.sample(range(1, MANY + 1), FEW)}

        def refreshes(name):
            numbers = [unused[name].pop() for _ in range(FEW // 20)]
            return median_refresh(servers[name], [tokens[name].refresh(n) for n in numbers])

        def logins(name):
            users = random.sample(range(1, tokens[name].users + 1), 4 if QUICK else 15)
            return median_login(servers[name], users)

        for measure, goal in ((refreshes, "<= 1.2"), (logins, "<= 1.2")):
            each = {name: lambda name=name: measure(name) for name in servers}
            rounds = Rounds().run(ROUNDS, each)
            few, many = rounds.median("few"), rounds.median("many")
            what = "refresh" if measure is refreshes else "login, bcrypt cost 10"
            more = "" if measure is refreshes else f"; {rounds.difference('many', 'few').median:+.2f} ms"
            yield Row(f"median of a {what} with {MILLION} sessions stored over {FEW:,}, {kind.__name__}", goal,
                      rounds.ratio("many", "few"), f"{many:.2f} ms over {few:.2f} ms{more}")
        for server in servers.values():
            server.stop()
        starts = []
        for _ in range(5):
            with bench.tokenpair(large.url, CHEAP) as server:
                starts.append(server.wait())
        yield Row(f"start to first answer with {MILLION} sessions, {kind.__name__}", "<= 0.3 s", Spread.of(starts), "5 starts")


def purge(bench, databases):
    """The server purges as it starts. The same load then goes on without a purge."""
    for kind, (database, tokens) in databases.items():
        columns = database.columns("sessions")
        changed = {"id": in_sql(EXPIRED, "n"), "expires_at": "1 + n / 100", "created_at": "1", "last_used_at": "1"}
        values = ", ".join(changed.get(column, column) for column in columns)
        like = numbered(SESSION, 1)
        database.execute(f"{database.numbers.format(PURGED)}INSERT INTO sessions ({', '.join(columns)}) "
                         f"SELECT {values} FROM n, sessions WHERE id = '{like}'")
        # So that no request waits for what this wrote.
        database.settle()
        os.sync()
        say(f"{kind.__name__}: {PURGED:,} expired")
        log = bench.scratch / f"purge-{kind.__name__}.log"
        with bench.tokenpair(database.url, CHEAP | {"RUST_LOG": "info"}, log) as server:
            server.wait()
            began = time.monotonic()
            ended = []

            def until_purged():
                wait_for(log, "purged")
                ended.append(time.monotonic())
                # A few of each kind of request, even if the purge was quick.
                time.sleep(max(0, began + 5 - ended[0]))

            during = latencies(bench, server, tokens, until_purged)
            took = ended[0] - began
            # As long, since the longest of more requests is longer.
            without = latencies(bench, server, tokens, lambda: time.sleep(max(took, 5)))
        left = int(database.ask("SELECT count(*) FROM sessions WHERE expires_at < 1000000")[0])
        if left:
            raise SystemExit(f"{left} expired sessions are left")
        worst = max(max(during[name]) - max(without[name]) for name in during if name != FLUSH)
        each = "; ".join(f"{name} {describe(during[name])} over {describe(without[name])}" for name in during)
        yield Row(f"longest wait during a purge of {PURGED:,} sessions, less that without, {kind.__name__}", "<= 50 ms",
                  worst, f"99.9 %, longest: {each}; {PURGED / took:,.0f} a second")


def describe(times):
    late = sorted(times)[-1 - len(times) // 1000]
    return f"{late:.1f}, {max(times):.1f} ms"


def wait_for(log, text, seconds=400):
    end = time.monotonic() + seconds
    while text not in log.read_text():
        if time.monotonic() > end:
            raise SystemExit(f"no {text!r} in {log} after {seconds} s")
        time.sleep(0.05)


def latencies(bench, server, tokens, while_it):
    """Returns the milliseconds of each request of a steady load, by route, and those of flushing a page of another file to the
    same disk, which tell the server's waits from the disk's."""
    access = tokens.access(random.randint(1, MANY))
    protected = itertools.repeat(("GET", "/protected", access))
    refreshes = (("POST", "/refresh", tokens.refresh(random.randint(1, MANY))) for _ in itertools.count())
    login = lambda: {"username": f"user{random.randint(1, tokens.users)}", "password": PASSWORD}
    logins = (("POST", "/login", None, login()) for _ in itertools.count())
    with Load({
        "/protected": (paced, server.port, 200, protected),
        "/refresh": (paced, server.port, 50, refreshes),
        "/login": (paced, server.port, 4, logins),
        FLUSH: (flushes, bench.scratch / "flushed", 50),
    }) as load:
        while_it()
    return load.results


def flushes(path, rate, until):
    """Flushes a page of this file at this rate until the event is set. Returns the milliseconds of each."""
    times = []
    with open(path, "wb") as file:
        while not until.wait(1 / rate):
            file.seek(0)
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return times


def revocation_set(bench):
    """Servers without and with a million revocations of the last half hour."""
    empty, full = Sqlite(bench, "empty"), Sqlite(bench, "full")
    for database in (empty, full):
        bench.add_user(database.url, CHEAP)
    now = int(time.time())
    session = in_sql(SESSION, "n")
    full.execute(f"{full.numbers.format(REVOKED)}INSERT INTO revocations (id, session_id, at) "
                 f"SELECT {session}, {session}, {now - 1800} + 1800 * n / {REVOKED} FROM n")
    with bench.tokenpair(empty.url, CHEAP) as one, bench.tokenpair(full.url, CHEAP) as other:
        one.wait()
        start = other.wait()
        time.sleep(3)
        before, after = one.memory(), other.memory()
        tokens = log_in(other)
        if Client(other.port).status("GET", "/protected", Filled(tokens, 1).access(REVOKED)) != 401:
            raise SystemExit("a revoked token was accepted")
        pairs = {"one": (one, browser_cookies(one)), "other": (other, browser_cookies(other))}
        rounds = Rounds().run(ROUNDS, {name: lambda pair=pair: cpu_per_request(*pair, 2) for name, pair in pairs.items()})
        idle = other.cpu()
        time.sleep(10)
        idle = (other.cpu() - idle) / 10
    yield Row(f"memory of {REVOKED:,} revocations", "<= 64 MiB", after - before, f"{after:.1f} less {before:.1f} MiB")
    yield Row(f"server CPU per `GET /protected` with {REVOKED:,} revocations over none", "<= 1.03",
              rounds.ratio("other", "one"),
              f"{rounds.median('other'):.1f} µs over {rounds.median('one'):.1f} µs; idle, {idle * 100:.1f} % of a core; start {start:.2f} s")


def replicas(bench):
    """Logouts at four servers, and how soon all of them refuse each one's access token."""
    database = Postgres(bench, "replicas")
    storm = LOGOUTS * SECONDS * 5 // 4
    samples = 10 * REPLICAS * SECONDS
    tokens = fill(bench, database, storm + samples, more=CHEAP)
    path = bench.scratch / "logouts"
    path.write_text("".join(tokens.access(n) + "\n" for n in range(1, storm + 1)))
    servers = [bench.tokenpair(database.url, CHEAP) for _ in range(REPLICAS)]
    for server in servers:
        server.wait()
    ports = [server.port for server in servers]
    own = [[tokens.access(storm + 1 + n) for n in range(at, samples, REPLICAS)] for at in range(REPLICAS)]
    with Load({at: (watch, ports, at, own[at]) for at in range(REPLICAS)}) as load:
        time.sleep(1)
        counted = wrk_logouts(servers, SECONDS, LOGOUTS, path)
    time.sleep(1)
    late = 0
    for number in random.sample(range(1, min(counted.requests, storm) * 9 // 10), 200):
        late += sum(Client(port).status("GET", "/protected", tokens.access(number)) != 401 for port in ports)
    delays = [delay for result in load.results.values() for delay in result]
    for server in servers:
        server.stop()
    if late:
        raise SystemExit(f"{late} of 800 answers admitted a token a second after its logout")
    yield Row(f"logouts a second, {REPLICAS} servers on one PostgreSQL", f">= {LOGOUTS * 0.98:.0f}", counted.rate, "")
    tail = statistics.quantiles(delays, n=100)
    yield Row("longest time from a logout's answer to a 401 of its access token at every server, at that rate", "<= 1 s",
              max(delays), f"median {tail[49]:.2f} s, 99 % {tail[98]:.2f} s, of {len(delays)}")


def watch(ports, at, tokens, until):
    """Logs sessions out at one server, and returns the seconds until all servers refuse each."""
    clients, delays = [Client(port) for port in ports], []
    for token in tokens:
        if until.is_set():
            break
        if clients[at].status("POST", "/logout", token) != 200:
            raise SystemExit("a logout failed")
        began, left = time.perf_counter(), list(clients)
        while left:
            left = [client for client in left if client.status("GET", "/protected", token) != 401]
            delay = time.perf_counter() - began
            if left:
                time.sleep(0.005)
        delays.append(delay)
    return delays


def main():
    scratch, cluster, *wanted = sys.argv[1:]
    bench, rows, databases, began = Bench(scratch, cluster), [], {}, time.monotonic()
    parts = {
        "growth": lambda: growth(bench, databases), "purge": lambda: purge(bench, databases),
        "revocations": lambda: revocation_set(bench), "replicas": lambda: replicas(bench),
    }
    if "purge" in wanted and "growth" not in wanted:
        wanted.append("growth")
    for name, part in parts.items():
        if wanted and name not in wanted:
            continue
        for row in part():
            rows.append(row)
            say(row.line())
    if not wanted and not QUICK:
        write_scale(rows, time.monotonic() - began)
    missed = sum(not row.met() for row in rows)
    print(f"{len(rows) - missed} passed, {missed} failed")
    sys.exit(1 if missed else 0)


main()
