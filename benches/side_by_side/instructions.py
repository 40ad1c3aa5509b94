"""Counts the instructions of a request, in the server and in the bare handler. See scripts/instructions."""

import pathlib
import socket
import sys
import tempfile

from callgrind import Callgrind
from servers import PASSWORD, Bench, Server, browser_cookies, cookie_header

# A cookie of another program on the same host.
FOREIGN = {"_ga": "GA1.1.1837264512.1730112233"}
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


def environment(bench, port):
    env = bench.environment(port, bench.sqlite("users")) | {"SERVER_WORKERS": "1", "SERVER_DRAIN": "0"}
    # A login with rate limits sets a further cookie.
    del env["THROTTLE"]
    return env


def cookies_of_login(bench, program):
    """Logs in to a server outside Callgrind, and returns the cookies that a browser sends to /protected afterwards."""
    port = next(bench.ports)
    with Server([program, "serve"], port, environment(bench, port), bench.log) as server:
        server.wait()
        server.post("/register", {"username": "ada", "password": PASSWORD})
        return browser_cookies(server) | FOREIGN


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


def count(bench, name, command, more, cookies, number):
    """Returns for each kind of request what two runs of so many requests executed."""
    port = next(bench.ports)
    folder = bench.scratch / name
    folder.mkdir()
    counted = {}
    with Callgrind(command, port, environment(bench, port) | more, folder, bench.log) as running:
        running.wait()
        for kind, headers in (("cookies alone", ""), ("all headers of a browser", BROWSER)):
            client = Client(port, cookie_header(cookies), headers)
            # Fills caches and buffers.
            client.send(100)
            running.busiest()
            runs = []
            for _ in range(2):
                client.send(number)
                runs.append(running.busiest())
            counted[kind] = runs
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
        bench = Bench(folder, None)
        cookies = cookies_of_login(bench, server)
        print(f"GET /protected with the cookies {', '.join(cookies)}; {number} requests, twice")
        programs = {
            "bare": ([bare], {}),
            "server": ([server, "serve"], {}),
            "server with metrics": ([server, "serve"], {"METRICS_BIND": "127.0.0.1:0"}),
        }
        counted = {name: count(bench, name, *program, cookies, number) for name, program in programs.items()}
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
