"""Measures the server beside its alternatives, and writes docs/performance.md. See scripts/bench."""

import itertools
import os
import statistics
import sys
import threading
import time

import bcrypt

from client import Client, Load, paced
from load import cpu_per_request, pgbench, wrk, wrk_in_background
from report import Row, keep, write
from rounds import Rounds, Spread
from servers import PASSWORD, Bench, answer, browser_cookies, log_in
from sessions import SESSION, Postgres, Sqlite, fill

CORES = os.cpu_count()
QUICK = os.environ.get("BENCH_QUICK") == "1"
CLIENTS = 4 if QUICK else 16
ALGORITHMS = ["ES256", "EdDSA", "RS256"]
PEERS = {
    "axum, jsonwebtoken": 1, "Fastify, @fastify/jwt": 3.5, "better-auth, its cookie cache on": 3.5,
    "Flask-JWT-Extended, gunicorn": 25,
}
UPDATE = f"""\\set n random(100000000001, {{}})
UPDATE sessions SET generation = generation + 1, previous_generation = generation, previous_barred = FALSE,
    rotated_at = 1, handed_at = 1, confirmed_at = NULL, last_used_at = 1
WHERE id = '{SESSION}' || :n AND previous_barred = FALSE AND revoked_at IS NULL AND expires_at > 1;
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


def rounds(count, measures):
    return Rounds().run(2 if QUICK else count, measures)


def seconds(number):
    return 1 if QUICK else number


def protected(bench):
    """All servers get the same requests, with the cookies that a browser sends."""
    servers = {}
    for algorithm in ["HS256", *ALGORITHMS]:
        more = {} if algorithm == "HS256" else {
            "JWT_ALGORITHM": algorithm, "JWT_KEYS_DIR": str(bench.scratch / f"keys-{algorithm}")}
        database = Sqlite(bench, f"cpu-{algorithm}")
        if more:
            bench.command(["keys", "generate"], bench.environment(0, database.url, more))
        bench.add_user(database.url, more)
        server = bench.tokenpair(database.url, more)
        server.wait()
        servers[algorithm] = (server, browser_cookies(server))
    servers["bare"] = (bench.bare(), servers["HS256"][1])
    for server, cookies in servers.values():
        server.wait()
        cpu_per_request(server, cookies, 1)
    if len({str(sorted(answer(*pair)[0].items())) + str(answer(*pair)[1]) for pair in servers.values()}) != 1:
        raise SystemExit("the bare handler no longer answers with the server's bytes: mend examples/bare.rs")
    costs = rounds(11, {name: lambda pair=pair: cpu_per_request(*pair, seconds(2)) for name, pair in servers.items()})
    for server, _ in servers.values():
        server.stop()
    yield Row("server CPU per `GET /protected` over a bare Actix handler with the same bytes, a worker for each core each", "<= 1.1",
              costs.ratio("HS256", "bare"), f"{costs.median('HS256'):.1f} µs over {costs.median('bare'):.1f} µs")
    ratios = {name: costs.ratio(name, "HS256") for name in ALGORITHMS}
    worst = max(ratios.values(), key=lambda ratio: ratio.median)
    each = ", ".join(f"{name} {ratio.median:.2f}" for name, ratio in ratios.items())
    yield Row("the same with ES256, EdDSA, RS256, over HS256: the worst", "<= 1.05", worst, each)


def peers(bench, rates):
    """Requests per second of 64 clients; fills `rates` for the chart."""
    database = Sqlite(bench, "beside")
    bench.add_user(database.url)
    starts = {
        "a bare Actix handler": bench.bare, "tokenpair": lambda: bench.tokenpair(database.url), "axum, jsonwebtoken": bench.axum,
        "Fastify, @fastify/jwt": bench.fastify, "Flask-JWT-Extended, gunicorn": bench.flask}
    if bench.has_better_auth():
        starts["better-auth, its cookie cache on"] = bench.better_auth
    servers = {name: start() for name, start in starts.items()}
    cookies = {}
    for name, server in servers.items():
        server.wait()
        if name == "tokenpair":
            ours = browser_cookies(server)
        elif "better-auth" in name:
            cookies[name] = bench.sign_up(server)
        elif "bare" not in name:
            cookies[name] = {"access_token_cookie": server.post("/token", {})["access_token"]}
    for name in servers:
        # A browser would send as many cookies to each.
        cookies[name] = ours | cookies.get(name, {})
    rate = lambda name: wrk(servers[name], "/protected", seconds(3), 64, 2, cookies[name]).rate
    for name in servers:
        rate(name)
    counted = rounds(6, {name: lambda name=name: rate(name) for name in servers})
    for server in servers.values():
        server.stop()
    rates.update({name: counted.median(name) for name in servers})
    for other, goal in PEERS.items():
        if other in servers:
            yield Row(f"`GET /protected` per second over {other}, a worker for each core", f">= {goal}",
                      counted.ratio("tokenpair", other), f"{rates['tokenpair']:,.0f} over {rates[other]:,.0f}")
        else:
            say(f"{other}: not installed, left out")


def logins(bench):
    """Sixteen clients log in; between their rounds a process for each core only hashes."""
    database = Sqlite(bench, "logins")
    bench.add_user(database.url)
    with bench.tokenpair(database.url) as server:
        server.wait()

        def log_in_for(length):
            with Load({number: (completions, server.port) for number in range(CLIENTS)}) as load:
                time.sleep(length)
            times = sorted(itertools.chain(*load.results.values()))
            # From one completion to another, when all were under way: not from the start, when none was.
            times = [at for at in times if at >= times[0] + 1]
            return (len(times) - 1) / (times[-1] - times[0])

        def hash_for(length):
            with Load({number: (hashes,) for number in range(CORES)}) as load:
                time.sleep(length)
            return sum(load.results.values())

        counted = rounds(6, {"logins": lambda: log_in_for(seconds(7) + 1), "hashes": lambda: hash_for(seconds(4))})
    yield Row(f"logins per second over the hashes per second of a process for each core, {CLIENTS} clients, bcrypt cost 12", ">= 0.97",
              counted.ratio("logins", "hashes"), f"{counted.median('logins'):.2f} over {counted.median('hashes'):.2f}")


def completions(port, until):
    client, times = Client(port), []
    while not until.is_set():
        client.timed("POST", "/login", None, {"username": "ada", "password": PASSWORD})
        times.append(time.monotonic())
    return times


def hashes(until):
    """Returns the hashes per second, whole ones only."""
    count, began = 0, time.perf_counter()
    while not until.is_set():
        bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(12))
        count += 1
    return count / (time.perf_counter() - began)


def storm(bench):
    """`/protected` at a steady rate, with and without sixteen clients that log in without a pause."""
    database = Sqlite(bench, "storm")
    bench.add_user(database.url)
    login = {"LOGIN": '{"username": "ada", "password": "%s"}' % PASSWORD}
    # Else the hundredth login would end the session that asks for /protected.
    with bench.tokenpair(database.url, {"SESSION_LIMIT": "off"}) as server:
        server.wait()
        token = log_in(server)["access_token"]

        def p99():
            requests = lambda: itertools.repeat(("GET", "/protected", token))
            # Four clients, so that a slow answer delays only every fourth request.
            with Load({number: (paced, server.port, 125, requests()) for number in range(4)}) as load:
                time.sleep(seconds(5))
            return statistics.quantiles(itertools.chain(*load.results.values()), n=100)[98]

        def in_storm():
            flood = wrk_in_background(server, "/login", 60, CLIENTS, 1, "login.lua", login)
            time.sleep(1)
            found = p99()
            flood.terminate()
            flood.wait()
            time.sleep(1)
            return found

        found = rounds(9, {"calm": p99, "storm": in_storm})
    # Of the medians, since one interruption of the machine makes a round's percentile several times as long.
    each = found.ratio("storm", "calm")
    calm, stormy = found.median("calm"), found.median("storm")
    yield Row("99th percentile of `/protected` at 500 per second in such a storm, over without", "<= 1.3",
              Spread(stormy / calm, each.low, each.high), f"{stormy:.2f} ms over {calm:.2f} ms")


class Refreshes:
    """Refreshes of unused tokens: each round has its own."""

    def __init__(self, bench, tokens, clients):
        self.path, self.tokens, self.clients = bench.scratch / "tokens", tokens, clients
        # More than any machine so far, until a round has told.
        self.rate = 30_000

    def rate_of(self, server, length):
        count = int(self.rate * length * 1.6)
        tokens = list(itertools.islice(self.tokens, count))
        self.path.write_text("".join(token + "\n" for token in tokens))
        threads = min(self.clients, 8)
        counted = wrk(server, "/refresh", length, self.clients, threads, script="refresh.lua",
                      env={"TOKENS": str(self.path), "PARTS": str(threads)})
        if counted.requests > len(tokens):
            raise SystemExit(f"{len(tokens)} tokens were too few for {counted.requests} refreshes")
        self.rate = counted.rate
        return counted.rate


def refreshes_free(bench):
    yield from refreshes_on(bench, "rate", bench.postgres, {}, "", 0.7, 2.5)


def refreshes_slow(bench):
    slow = {"LD_PRELOAD": bench.slow_flush}
    where = ", where a flush to the disk takes 1 ms more"
    yield from refreshes_on(bench, "slow", bench.slow_postgres, slow, where, 0.9, 2.5)


def refreshes_on(bench, name, cluster, env, where, goal, goal_on_sqlite):
    length, count = seconds(3), 450_000
    ours, theirs = Postgres(bench, name, cluster), Postgres(bench, f"{name}_pgbench", cluster)
    tokens = fill(bench, ours, count).all_refresh(count)
    fill(bench, theirs, count)
    script = bench.scratch / "update.sql"
    script.write_text(UPDATE.format(100_000_000_000 + count))
    with bench.tokenpair(ours.url) as server:
        server.wait()
        refreshes = Refreshes(bench, tokens, 32)
        rates = rounds(6, {
            "ours": lambda: refreshes.rate_of(server, length), "theirs": lambda: pgbench(theirs.url, script, length, 8)})
    yield Row(f"`POST /refresh` on PostgreSQL over pgbench with the same UPDATE, 8 connections each{where}", f">= {goal}",
              rates.ratio("ours", "theirs"), f"{rates.median('ours'):,.0f} over {rates.median('theirs'):,.0f} per second")

    count = 1_200_000
    ours, theirs = Sqlite(bench, name), Sqlite(bench, f"{name}-single")
    tokens = fill(bench, ours, count).all_refresh(count)
    fill(bench, theirs, 100_000)
    with bench.tokenpair(ours.url, env) as server:
        server.wait()
        refreshes = Refreshes(bench, tokens, 64)
        rates = rounds(6, {
            "ours": lambda: refreshes.rate_of(server, length), "theirs": lambda: theirs.single_commits_a_second(length, env)})
    yield Row(f"durable `POST /refresh` on SQLite, 64 clients, over single commits on that disk{where}", f">= {goal_on_sqlite}",
              rates.ratio("ours", "theirs"), f"{rates.median('ours'):,.0f} over {rates.median('theirs'):,.0f} per second")


def growth(bench):
    database = Postgres(bench, "growth")
    path = bench.scratch / "tokens"
    path.write_text("\n".join(fill(bench, database, 100).all_refresh(100)))
    before = database.size()
    with bench.tokenpair(database.url, {"SESSION_ROTATION_WINDOW": "10s"}) as server:
        server.wait()
        # Only once: a second pass would present tokens that were rotated long ago, like a thief.
        counted = wrk(server, "/refresh", 3 if QUICK else 30, 100, 100, script="follow.lua", env={"TOKENS": str(path)})
    if counted.requests < 100_000 and not QUICK:
        raise SystemExit(f"{counted.requests} refreshes in 30 s are too few to tell")
    after = database.size()
    yield Row("sessions table and indexes after 100,000 refreshes of 100 sessions, PostgreSQL, over before", "<= 1.5",
              after / before, f"{after // 1024} KiB over {before // 1024} KiB after {counted.requests:,}")


def start(bench):
    """Of the program alone. scripts/first-start measures a user's first minutes."""
    database = Sqlite(bench, "start")
    bench.add_user(database.url)

    def first_answer():
        with bench.tokenpair(database.url) as server:
            return server.wait()

    times = rounds(9, {"start": first_answer}).of["start"]
    yield Row("start to first answer, SQLite", "<= 0.3 s", Spread.of(times), "9 starts")


def memory(bench):
    database = Sqlite(bench, "memory")
    bench.add_user(database.url)

    def idle():
        with bench.tokenpair(database.url) as server:
            server.wait()
            time.sleep(1)
            return server.memory()

    def busy():
        with bench.tokenpair(database.url) as server:
            server.wait()
            cookies = browser_cookies(server)
            load = threading.Thread(target=wrk, args=(server, "/protected", seconds(6), 1000, 2, cookies))
            load.start()
            most = 0
            while load.is_alive():
                most = max(most, server.memory())
                time.sleep(0.1)
            return most

    found = rounds(3, {"idle": idle, "busy": busy})
    yield Row("resident memory, idle", "<= 12 MiB", Spread.of(found.of["idle"]), "")
    yield Row("resident memory with 1,000 keep-alive connections under load", "<= 32 MiB", Spread.of(found.of["busy"]), "")


def main():
    scratch, quick, slow, library, *wanted = sys.argv[1:]
    bench, began = Bench(scratch, quick, slow, library), time.monotonic()
    rates = {}
    parts = {
        "protected": protected, "peers": lambda bench: peers(bench, rates), "logins": logins, "storm": storm,
        "refreshes": refreshes_free, "refreshes-slow": refreshes_slow, "growth": growth, "start": start, "memory": memory}
    unknown = set(wanted) - set(parts)
    if unknown:
        raise SystemExit(f"no such part: {', '.join(unknown)}; there are {', '.join(parts)}")
    for name, part in parts.items():
        if wanted and name not in wanted:
            continue
        lines = []
        for row in part(bench):
            lines.append(row.line())
            say(lines[-1])
        say(f"   ({name}: {time.monotonic() - began:.0f} s so far)")
        if not QUICK:
            keep(name, lines, rates, bench)
    if not QUICK:
        write(parts)


main()
