"""Counts the instructions of a request, in the server and in the bare handler. See scripts/instructions."""

import http.client
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
from http.cookies import SimpleCookie

from callgrind import Callgrind

PASSWORD = "three blind mice"
SECRET = "a secret for measurements alone, as long as HS256 asks"
# A cookie of another program on the same host.
FOREIGN = "_ga=GA1.1.1837264512.1730112233"
# What a browser sends beside the cookies, for a request by a script of the page.
BROWSER = """\
Connection: keep-alive
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36
Accept: */*
Sec-Fetch-Site: same-origin
Sec-Fetch-Mode: cors
Sec-Fetch-Dest: empty
Referer: http://127.0.0.1/
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-GB,en;q=0.9
"""
AGREE = 0.01


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def environment(port, scratch):
    return {
        "SERVER_BIND": f"127.0.0.1:{port}",
        "SERVER_WORKERS": "1",
        "SERVER_ACCESS_LOG": "off",
        "SERVER_DRAIN": "0",
        "DATABASE_URL": f"sqlite://{scratch}/users.db",
        "RUST_LOG": "warn",
        "JWT_SECRET_KEY": SECRET,
    }


def wait(port, process):
    """Waits until something listens on the port."""
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("a server did not start")


def cookies_of_login(program, scratch):
    """Logs in to a server outside Callgrind, and returns the cookies that a browser sends to /protected afterwards."""
    port = free_port()
    env = environment(port, scratch) | {"PATH": os.environ["PATH"]}
    with open(scratch / "log", "ab") as log:
        server = subprocess.Popen([program, "serve"], env=env, stdout=log, stderr=log)
    try:
        wait(port, server)
        client = http.client.HTTPConnection("127.0.0.1", port)
        body = json.dumps({"username": "ada", "password": PASSWORD})
        for route in ("/register", "/login"):
            client.request("POST", route, body, {"Content-Type": "application/json"})
            answer = client.getresponse()
            answer.read()
        cookies = [SimpleCookie(value) for name, value in answer.getheaders() if name.lower() == "set-cookie"]
        morsels = [morsel for cookie in cookies for morsel in cookie.values() if morsel["path"] in ("/", "/protected")]
        return "; ".join([*(f"{morsel.key}={morsel.value}" for morsel in morsels), FOREIGN])
    finally:
        server.terminate()
        server.wait()


class Client:
    """A connection that sends the same request again and again."""

    def __init__(self, port, cookies, more):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.reader = self.socket.makefile("rb")
        lines = ["GET /protected HTTP/1.1", f"Host: 127.0.0.1:{port}", *more.splitlines(), f"Cookie: {cookies}"]
        self.request = ("\r\n".join(lines) + "\r\n\r\n").encode()

    def send(self, number):
        """Sends so many requests, each after the response to the one before. Returns the last body."""
        body = None
        for _ in range(number):
            self.socket.sendall(self.request)
            status, length = self.reader.readline(), 0
            while (line := self.reader.readline()) != b"\r\n":
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            body = self.reader.read(length)
            if not status.startswith(b"HTTP/1.1 200 "):
                sys.exit(f"the server answered {status.decode()}{body.decode()}")
        return body


def count(name, program, arguments, more, cookies, number, scratch):
    """Returns for each kind of request what two runs of so many requests executed."""
    port = free_port()
    folder = scratch / name
    folder.mkdir()
    running = Callgrind(program, arguments, environment(port, scratch) | more, folder, scratch / "log")
    counted = {}
    try:
        wait(port, running.process)
        for kind, headers in (("cookies alone", ""), ("all headers of a browser", BROWSER)):
            client = Client(port, cookies, headers)
            # Fills caches and buffers.
            client.send(100)
            running.busiest()
            runs = []
            for _ in range(2):
                client.send(number)
                runs.append(running.busiest())
            counted[kind] = runs
    finally:
        running.stop()
    return counted


def show(title, costs, bare, number, least):
    """Prints the costs of a request beside those of the bare handler, the largest differences first."""
    print(f"\n{title:60} {'server':>8} {'bare':>8} {'more':>8}")
    names = set(costs) | set(bare)
    per_request = lambda counter, name: counter[name] / number
    rows = [(per_request(costs, name), per_request(bare, name), name) for name in names]
    for server, plain, name in sorted(rows, key=lambda row: row[1] - row[0]):
        if abs(server - plain) >= least:
            print(f"{(name or '?')[:60]:60} {server:8.0f} {plain:8.0f} {server - plain:+8.0f}")


def main():
    server, bare, number = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), int(sys.argv[3])
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        cookies = cookies_of_login(server, scratch)
        names = [cookie.partition("=")[0] for cookie in cookies.split("; ")]
        print(f"GET /protected with the cookies {', '.join(names)}; {number} requests, twice")
        programs = {
            "bare": (bare, [], {}),
            "server": (server, ["serve"], {}),
            "server with metrics": (server, ["serve"], {"METRICS_BIND": "127.0.0.1:0"}),
        }
        counted = {
            name: count(name, *program, cookies, number, scratch) for name, program in programs.items()
        }
    for kind in counted["bare"]:
        print(f"\n{kind}: instructions per request")
        plain = counted["bare"][kind][1].total / number
        for name in programs:
            first, second = (run.total / number for run in counted[name][kind])
            agrees = abs(first - second) <= AGREE * second
            passed, failed = passed + agrees, failed + (not agrees)
            print(f"{name:20} {second:8.0f}  {second / plain:5.3f} of bare   the other run {first:.0f}{'' if agrees else ': MORE THAN 1 % OFF'}")
        metrics = counted["server with metrics"][kind][1].total / counted["server"][kind][1].total - 1
        print(f"metrics add {100 * metrics:.1f} %")
    kind = "cookies alone"
    runs = [counted[name][kind][1] for name in ("server", "bare")]
    show("by crate, and by file of this workspace", *(run.crates() for run in runs), number, 20)
    show("by function, with what was inlined", *(run.functions for run in runs), number, 60)
    print(f"\n{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
