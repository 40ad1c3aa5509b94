"""Drives servers with wrk and pgbench, and parses their output."""

import os
import re
import subprocess

from servers import HERE, cookie_header


def run(command, env=None):
    command = [str(part) for part in command]
    done = subprocess.run(command, env=os.environ | (env or {}), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


class Counted:
    """Returns wrk's counts; fails on any response other than a 2xx."""

    def __init__(self, text):
        self.requests = int(re.search(r"(\d+) requests in", text)[1])
        self.rate = float(re.search(r"Requests/sec:\s*([\d.]+)", text)[1])
        if "Non-2xx" in text or "Socket errors" in text or re.search(r"not 200: [1-9]", text):
            raise SystemExit(f"not every answer was good:\n{text}")


def command(server, path, seconds, connections, threads, cookies=None, script=None):
    options = ["-d", f"{seconds}s", "-c", connections, "-t", threads, "--timeout", "10s"]
    if cookies:
        options += ["-H", f"Cookie: {cookie_header(cookies)}"]
    if script:
        options += ["-s", HERE / script]
    return ["wrk", *options, server.url(path)]


def wrk(*arguments, env=None, **more):
    return Counted(run(command(*arguments, **more), {"HERE": str(HERE)} | (env or {})))


def wrk_in_background(server, path, seconds, connections, threads, script, env):
    started = [str(part) for part in command(server, path, seconds, connections, threads, script=script)]
    return subprocess.Popen(started, env=os.environ | env, stdout=subprocess.DEVNULL)


def wrk_logouts(servers, seconds, rate, tokens):
    """Logs sessions out at this rate in all, with a thread for each server."""
    env = {"PORTS": " ".join(str(server.port) for server in servers), "RATE": str(rate / len(servers)), "TOKENS": str(tokens)}
    return wrk(servers[0], "/logout", seconds, 16 * len(servers), len(servers), script="logout.lua", env=env)


def cpu_per_request(server, cookies, seconds):
    """Returns the server's processor time per `GET /protected`, in microseconds."""
    before = server.cpu()
    counted = wrk(server, "/protected", seconds, 32, 1, cookies)
    return (server.cpu() - before) / counted.requests * 1e6


def pgbench(database, script, seconds, connections):
    """Returns transactions per second."""
    started = ["pgbench", "-n", "-M", "prepared", "-T", seconds, "-c", connections, "-j", 2, "-f", script, database]
    return float(re.search(r"tps = ([\d.]+) \(without", run(started))[1])
