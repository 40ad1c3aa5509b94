"""Drives servers with wrk, oha and pgbench, and parses their output."""

import json
import os
import pathlib
import re
import subprocess

from servers import HERE, ROOT

OHA = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "tools" / "bin" / "oha"


def run(command, env=None):
    command = [str(part) for part in command]
    done = subprocess.run(command, env=os.environ | (env or {}), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def cookie(token):
    return f"Cookie: theme=dark; access_token_cookie={token}; csrf_access_token=AAAAAAAAAAAAAAAAAAAAAA"


class Counted:
    """Returns wrk's counts; fails on any response other than a 2xx."""

    def __init__(self, text):
        self.requests = int(re.search(r"(\d+) requests in", text)[1])
        self.rate = float(re.search(r"Requests/sec:\s*([\d.]+)", text)[1])
        if "Non-2xx" in text or "Socket errors" in text or re.search(r"not 200: [1-9]", text):
            raise SystemExit(f"not every answer was good:\n{text}")


def wrk(server, path, seconds, connections, threads, token=None, script=None, env=None):
    command = ["wrk", "-d", f"{seconds}s", "-c", connections, "-t", threads, "--timeout", "10s"]
    if token:
        command += ["-H", cookie(token)]
    if script:
        command += ["-s", HERE / script]
    return Counted(run([*command, server.url(path)], {"HERE": str(HERE)} | (env or {})))


def cpu_per_request(server, token, seconds=3):
    """Returns the server's processor time per `GET /protected`, in microseconds."""
    before = server.cpu()
    counted = wrk(server, "/protected", seconds, 32, 1, token)
    return (server.cpu() - before) / counted.requests * 1e6


def p99_at_500_a_second(server, token, seconds):
    """Returns milliseconds, counted from the time a request was due."""
    name, value = cookie(token).split(": ")
    command = ["nice", "-n", "-10"] if os.geteuid() == 0 else []
    command += [OHA, "--no-tui", "--output-format", "json", "-q", "500", "-c", "16", "-z", f"{seconds}s"]
    command += ["--latency-correction"]
    found = json.loads(run([*command, "-H", f"{name}: {value}", server.url("/protected")]))
    answers = found["statusCodeDistribution"]
    if set(answers) != {"200"} or any("deadline" not in error for error in found["errorDistribution"]):
        raise SystemExit(f"not every answer was good: {answers} {found['errorDistribution']}")
    return found["latencyPercentiles"]["p99"] * 1000


def pgbench(database, script, seconds, connections):
    """Returns transactions per second."""
    command = ["pgbench", "-n", "-M", "prepared", "-T", seconds, "-c", connections, "-j", 2, "-f", script, database]
    return float(re.search(r"tps = ([\d.]+) \(without", run(command))[1])
