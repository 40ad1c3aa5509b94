"""Measures the server beside its alternatives, and writes docs/performance.md. See scripts/bench."""

import itertools
import os
import statistics
import sys
import threading
import time

import bcrypt

from load import cpu_per_request, p99_at_500_a_second, pgbench, wrk
from report import Row, write
from servers import PASSWORD, Bench, answer, log_in
from sessions import Postgres, Sqlite, fill, median_refresh

CORES = os.cpu_count()
ALGORITHMS = ["ES256", "EdDSA", "RS256"]
UPDATE = """\\set n random(1, {})
UPDATE sessions SET generation = generation + 1, previous_generation = generation, previous_barred = FALSE,
    rotated_at = 1, handed_at = 1, confirmed_at = NULL, last_used_at = 1
WHERE id = 's' || :n AND previous_barred = FALSE AND revoked_at IS NULL AND expires_at > 1;
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


def median_of(measure, rounds=3):
    return statistics.median(measure() for _ in range(rounds))


def processor_time(bench):
    """Alternates rounds of all servers, so that drift in the machine's speed affects each alike. All get the same requests."""
    servers, costs = {}, {}
    for algorithm in ["HS256", *ALGORITHMS]:
        more = {} if algorithm == "HS256" else {
            "JWT_ALGORITHM": algorithm, "JWT_KEYS_DIR": str(bench.scratch / f"keys-{algorithm}")}
        database = Sqlite(bench, f"cpu-{algorithm}")
        if more:
            bench.command(["keys", "generate"], bench.environment(0, database.url, more))
        bench.add_user(database.url, more)
        server = bench.tokenpair(database.url, more)
        server.wait()
        servers[algorithm] = (server, log_in(server)["access_token"])
    servers["bare"] = (bench.bare(), servers["HS256"][1])
    for server, token in servers.values():
        server.wait()
        cpu_per_request(server, token, 1)
    if len({str(sorted(answer(*pair)[0].items())) + str(answer(*pair)[1]) for pair in servers.values()}) != 1:
        raise SystemExit("the bare handler no longer answers with the server's bytes: mend examples/bare.rs")
    for _ in range(5):
        for name, (server, token) in servers.items():
            costs.setdefault(name, []).append(cpu_per_request(server, token, 2))
    for server, _ in servers.values():
        server.stop()
    ratio = lambda one, other: statistics.median(a / b for a, b in zip(costs[one], costs[other]))
    us = {name: statistics.median(all) for name, all in costs.items()}
    yield Row("server CPU per `GET /protected` over a bare Actix handler with the same bytes", "<= 1.15",
              ratio("HS256", "bare"), f"{us['HS256']:.1f} µs over {us['bare']:.1f} µs")
    worst = max(ratio(name, "HS256") for name in ALGORITHMS)
    each = ", ".join(f"{name} {ratio(name, 'HS256'):.2f}" for name in ALGORITHMS)
    yield Row("the same with ES256, EdDSA, RS256, over HS256: the worst", "<= 1.05", worst, each)


def beside_others(bench, rates):
    """Measures requests per second of 64 clients; fills `rates` for the chart."""
    database = Sqlite(bench, "beside")
    bench.add_user(database.url)
    servers = {
        "a bare Actix handler": bench.bare(), "tokenpair": bench.tokenpair(database.url),
        "Fastify, @fastify/jwt": bench.fastify(), "Flask-JWT-Extended, gunicorn": bench.flask()}
    tokens = {}
    for name, server in servers.items():
        server.wait()
        if name == "tokenpair":
            tokens[name] = log_in(server)["access_token"]
        elif "bare" not in name:
            tokens[name] = server.post("/token", {})["access_token"]
    rounds = {name: [] for name in servers}
    for _ in range(3):
        for name, server in servers.items():
            rounds[name].append(wrk(server, "/protected", 3, 64, 2, tokens.get(name)).rate)
    for server in servers.values():
        server.stop()
    rates.update({name: statistics.median(all) for name, all in rounds.items()})
    for other, goal in [("Flask-JWT-Extended, gunicorn", 25), ("Fastify, @fastify/jwt", 3.5)]:
        yield Row(f"`GET /protected` per second over {other}, a worker for each core", f">= {goal}",
                  rates["tokenpair"] / rates[other], f"{rates['tokenpair']:,.0f} over {rates[other]:,.0f}")


def logins(bench):
    """Sixteen clients log in while another asks for `/protected`."""
    one = median_of(lambda: timed(lambda: bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(12))), 5)
    database = Sqlite(bench, "logins")
    bench.add_user(database.url)
    login = {"LOGIN": '{"username": "ada", "password": "%s"}' % PASSWORD}
    with bench.tokenpair(database.url) as server:
        server.wait()
        token = log_in(server)["access_token"]
        rate = wrk(server, "/login", 12, 16, 1, script="login.lua", env=login).rate
        yield Row("logins per second over cores divided by the time of one bcrypt, 16 clients, cost 12", ">= 0.95",
                  rate / (CORES / one), f"{rate:.2f} over {CORES / one:.2f}")
        calm = median_of(lambda: p99_at_500_a_second(server, token, 5))
        storm = threading.Thread(target=wrk, args=(server, "/login", 22, 16, 1), kwargs={"script": "login.lua", "env": login})
        storm.start()
        time.sleep(2)
        stormy = median_of(lambda: p99_at_500_a_second(server, token, 5))
        storm.join()
        yield Row("99th percentile of `/protected` at 500 per second in such a storm, over without", "<= 2",
                  stormy / calm, f"{stormy:.2f} ms over {calm:.2f} ms")


def timed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def refresh_rate(bench, database, tokens, clients, seconds, more=None):
    path = bench.scratch / "tokens"
    with open(path, "w") as lines:
        count = sum(1 for token in tokens if lines.write(token + "\n"))
    threads = min(clients, 8)
    with bench.tokenpair(database.url, more) as server:
        server.wait()
        counted = wrk(server, "/refresh", seconds, clients, threads, script="refresh.lua",
                      env={"TOKENS": str(path), "PARTS": str(threads)})
    if counted.requests > count:
        raise SystemExit(f"{count} tokens were too few for {counted.requests} refreshes")
    return counted.rate


def refreshes(bench):
    yield from refreshes_on(bench, "rate", bench.postgres, {}, "")
    slow = {"LD_PRELOAD": bench.slow_flush}
    yield from refreshes_on(bench, "slow", bench.slow_postgres, slow, ", where a flush to the disk takes 1 ms more")


def refreshes_on(bench, name, cluster, env, where):
    database = Postgres(bench, name, cluster)
    tokens = fill(bench, database, 100_000)
    ours = refresh_rate(bench, database, tokens, 32, 8)
    script = bench.scratch / "update.sql"
    script.write_text(UPDATE.format(100_000))
    theirs = pgbench(database.url, script, 8, 8)
    yield Row(f"`POST /refresh` on PostgreSQL over pgbench with the same UPDATE, 8 connections each{where}", ">= 0.7",
              ours / theirs, f"{ours:,.0f} over {theirs:,.0f} per second")

    database = Sqlite(bench, name)
    tokens = fill(bench, database, 300_000)
    single = database.single_commits_a_second(3, env)
    ours = refresh_rate(bench, database, itertools.islice(tokens, 60_000, None), 64, 5, env)
    yield Row(f"durable `POST /refresh` on SQLite, 64 clients, over single commits on that disk{where}", ">= 2",
              ours / single, f"{ours:,.0f} over {single:,.0f} per second")


def growth(bench):
    for kind in (Postgres, Sqlite):
        databases = {count: kind(bench, f"size_{count}") for count in (1_000, 1_000_000)}
        tokens = {count: list(itertools.islice(fill(bench, databases[count], count), 1_000)) for count in databases}
        servers = {count: bench.tokenpair(database.url) for count, database in databases.items()}
        for server in servers.values():
            server.wait()
        medians = {count: [] for count in databases}
        for round in range(0, 1_000, 200):
            for count, server in servers.items():
                medians[count].append(median_refresh(server, tokens[count][round:round + 200]))
        for server in servers.values():
            server.stop()
        few, many = (statistics.median(medians[count]) for count in databases)
        yield Row(f"median of a refresh with 1,000,000 sessions stored over 1,000, {kind.__name__}", "<= 1.2",
                  many / few, f"{many:.2f} ms over {few:.2f} ms")
    with bench.tokenpair(databases[1_000_000].url) as server:
        yield Row("start to first answer, SQLite with 1,000,000 sessions", "<= 0.2 s", server.wait(), "")

    database = Postgres(bench, "growth")
    tokens = bench.scratch / "tokens"
    tokens.write_text("\n".join(fill(bench, database, 100)))
    before = database.size()
    with bench.tokenpair(database.url, {"SESSION_ROTATION_WINDOW": "10s"}) as server:
        server.wait()
        # Only once: a second pass would present tokens that were rotated long ago, like a thief.
        counted = wrk(server, "/refresh", 30, 100, 100, script="follow.lua", env={"TOKENS": str(tokens)})
    if counted.requests < 100_000:
        raise SystemExit(f"{counted.requests} refreshes in 30 s are too few to tell")
    after = database.size()
    yield Row("sessions table and indexes after 100,000 refreshes of 100 sessions, PostgreSQL, over before", "<= 1.5",
              after / before, f"{after // 1024} KiB over {before // 1024} KiB after {counted.requests:,}")


def memory(bench):
    database = Sqlite(bench, "memory")
    bench.add_user(database.url)
    with bench.tokenpair(database.url) as server:
        server.wait()
        time.sleep(1)
        yield Row("resident memory, idle", "<= 16 MiB", server.memory(), "")
    with bench.tokenpair(database.url) as server:
        server.wait()
        token = log_in(server)["access_token"]
        load = threading.Thread(target=wrk, args=(server, "/protected", 6, 1000, 2, token))
        load.start()
        most = 0
        while load.is_alive():
            most = max(most, server.memory())
            time.sleep(0.1)
        yield Row("resident memory with 1,000 keep-alive connections under load", "<= 64 MiB", most, "")


def main():
    bench, rows, rates, began = Bench(*sys.argv[1:]), [], {}, time.monotonic()
    parts = [processor_time(bench), beside_others(bench, rates), logins(bench), refreshes(bench), growth(bench), memory(bench)]
    for row in itertools.chain(*parts):
        rows.append(row)
        say(row.line())
    write(rows, rates, bench, time.monotonic() - began)


main()
