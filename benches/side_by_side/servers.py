"""Starts the measured servers, and reads their processor time and memory from the system."""

import atexit
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
PASSWORD = "three blind mice"
SECRET = "a secret for measurements alone, as long as HS256 asks"


class Server:
    """A server in its own process group but not its own session, because Linux would then schedule whole sessions against
    each other (autogroups) and ignore thread priorities."""

    def __init__(self, command, port, env, log, cwd=None):
        self.port = port
        self.log = log
        self.began = time.monotonic()
        path = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
        out = open(log, "ab")
        self.process = subprocess.Popen(
            [str(part) for part in command], env=path | env, stdout=out, stderr=out, cwd=cwd, process_group=0
        )
        atexit.register(self.stop)

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def wait(self, path="/protected"):
        """Waits for the first response; returns the seconds since the start."""
        while True:
            try:
                urllib.request.urlopen(self.url(path)).read()
            except urllib.error.HTTPError:
                pass
            except OSError:
                if self.process.poll() is not None:
                    raise SystemExit(f"{self.process.args[0]} did not start: {self.log.read_text()[-2000:]}")
                time.sleep(0.001)
                continue
            return time.monotonic() - self.began

    def post(self, path, body):
        request = urllib.request.Request(self.url(path), json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def processes(self):
        """Returns the process and its children."""
        found, parents = [], {}
        for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = entry.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.parent.name)] = int(fields[1])
        for pid in parents:
            at = pid
            while at and at != self.process.pid:
                at = parents.get(at, 0)
            if at:
                found.append(pid)
        return found

    def cpu(self):
        """Returns the processor time so far, in seconds. Linux counts it in nanoseconds here, elsewhere in hundredths of a second."""
        total = 0
        for pid in self.processes():
            for thread in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
                total += int(thread.read_text().split()[0])
        return total / 1e9

    def memory(self):
        """Returns the resident memory, in MiB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def stop(self):
        atexit.unregister(self.stop)
        if self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Bench:
    """The scratch folder, the ports, and the start command of each server."""

    def __init__(self, scratch, postgres, slow_postgres=None, slow_flush=None):
        self.scratch = pathlib.Path(scratch)
        self.postgres = postgres
        self.slow_postgres = slow_postgres
        self.slow_flush = slow_flush
        self.ports = iter(range(int(os.environ.get("BENCH_PORT", 18100)), 65536))
        self.log = self.scratch / "servers.log"
        self.target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"

    def sqlite(self, name):
        return f"sqlite://{self.scratch}/{name}.db"

    def environment(self, port, database, more=None):
        more = more or {}
        secret = {} if "JWT_KEYS_DIR" in more else {"JWT_SECRET_KEY": SECRET}
        return {
            "SERVER_BIND": f"127.0.0.1:{port}",
            "SERVER_ACCESS_LOG": "off",
            "DATABASE_URL": database,
            "THROTTLE": "off",
            "RUST_LOG": "warn",
        } | secret | more

    def command(self, arguments, env, text=""):
        program = [str(self.target / "tokenpair"), *arguments]
        path = {"PATH": os.environ["PATH"]}
        done = subprocess.run(program, env=path | env, input=text, text=True, capture_output=True)
        if done.returncode:
            raise SystemExit(done.stderr)

    def add_user(self, database, more=None):
        """Creates the database too."""
        self.command(["migrate"], self.environment(0, database, more))
        self.command(
            ["user", "add", "ada", "--password-stdin"], self.environment(0, database, more), PASSWORD + "\n"
        )

    def tokenpair(self, database, more=None, log=None):
        port = next(self.ports)
        env = {"SERVER_WORKERS": str(os.cpu_count())} | self.environment(port, database, more)
        return Server([self.target / "tokenpair", "serve"], port, env, log or self.log)

    def bare(self):
        port = next(self.ports)
        return Server([self.target / "examples" / "bare"], port, self.all_cores(port), self.log)

    def all_cores(self, port):
        return {"SERVER_BIND": f"127.0.0.1:{port}", "SERVER_WORKERS": str(os.cpu_count())}

    def axum(self):
        port = next(self.ports)
        env = {"JWT_SECRET_KEY": SECRET, "TOKIO_WORKER_THREADS": str(os.cpu_count())}
        return Server([self.target.parent / "axum_app" / "release" / "axum-app"], port, self.all_cores(port) | env, self.log)

    def flask(self):
        port, workers = next(self.ports), os.cpu_count()
        gunicorn = self.scratch / "python" / "bin" / "gunicorn"
        command = [gunicorn, "--workers", workers, "--bind", f"127.0.0.1:{port}", "--chdir", HERE, "flask_app:app"]
        return Server(command, port, {"JWT_SECRET_KEY": SECRET, "PYTHONDONTWRITEBYTECODE": "1"}, self.log)

    def fastify(self):
        port = next(self.ports)
        env = {"JWT_SECRET_KEY": SECRET, "PORT": str(port), "NODE_ENV": "production"}
        return Server(["node", self.scratch / "node" / "fastify.mjs"], port, env, self.log)

    def has_better_auth(self):
        return (self.scratch / "node" / "node_modules" / "better-auth").exists()

    def better_auth(self):
        port = next(self.ports)
        env = {"JWT_SECRET_KEY": SECRET, "PORT": str(port), "NODE_ENV": "production"}
        env["DATABASE"] = str(self.scratch / "better-auth.db")
        return Server(["node", self.scratch / "node" / "better_auth.mjs"], port, env, self.log)

    def sign_up(self, server):
        """Returns the cookies of a new session."""
        path = "/api/auth/sign-up/email"
        account = {"email": "ada@example.org", "password": PASSWORD, "name": "ada"}
        return set_cookies(server.url(path), account, {"Origin": f"http://127.0.0.1:{server.port}"})


def set_cookies(url, body, headers=None):
    """Posts JSON, and returns the cookies of the response."""
    headers = {"Content-Type": "application/json"} | (headers or {})
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as response:
        pairs = (line.split(";")[0].split("=", 1) for line in response.headers.get_all("Set-Cookie"))
        return dict(pairs)


def browser_cookies(server):
    """Returns all cookies that a login sets."""
    return set_cookies(server.url("/login"), {"username": "ada", "password": PASSWORD})


def cookie_header(cookies):
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def answer(server, cookies):
    """Returns the response to `GET /protected`, without the parts that vary per request."""
    request = urllib.request.Request(server.url("/protected"), headers={"Cookie": cookie_header(cookies)})
    with urllib.request.urlopen(request) as response:
        changing = ("date", "x-request-id")
        headers = {name.lower(): value for name, value in response.headers.items() if name.lower() not in changing}
        return headers, response.read()


def log_in(server):
    return server.post("/login", {"username": "ada", "password": PASSWORD, "tokens": "body"})
