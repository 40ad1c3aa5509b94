"""Load for scripts/cluster-test: users who open pages, refresh, log in and log out, each on a connection that is kept.

    load.py USERS REQUESTS PACE URL [URL …]

Each user (made with the first requests, which are not counted) talks to one of the URLs. After REQUESTS requests, or on SIGTERM, it
prints what became of them, a name and a number a line. A request has failed unless it was answered with 200 within 30 s; nothing is
sent twice. PACE is the pause between two requests of a user, in seconds.
"""

import asyncio
import json
import signal
import sys
import time
from collections import Counter
from urllib.parse import urlsplit

PASSWORD = "nanoseconds are wires"
REFRESH_EVERY, LOGIN_EVERY = 20, 1000


class Load:
    def __init__(self, requests, pace):
        self.left, self.pace = requests, pace
        self.kinds, self.failures, self.times = Counter(), Counter(), []
        self.slowest = 0.0

    def stop(self):
        self.left = 0

    def count(self, path, failure, began):
        self.left -= 1
        self.kinds[path] += 1
        now = time.time()
        self.slowest = max(self.slowest, now - began)
        if failure:
            self.failures[f"{path} {failure}"] += 1
            self.times.append(now)

    def report(self, seconds):
        print("requests", self.kinds.total())
        for path, number in sorted(self.kinds.items()):
            print(path.strip("/"), number)
        print("a_second", round(self.kinds.total() / seconds))
        print("slowest_ms", round(self.slowest * 1000))
        print("failed", self.failures.total())
        # Answers of a server that says itself that it cannot now, and nobody has lost anything.
        unavailable = sum(number for why, number in self.failures.items() if why.endswith(" 503"))
        print("failed_otherwise", self.failures.total() - unavailable)
        print("failed_protected", sum(n for why, n in self.failures.items() if why.startswith("/protected ")))
        if self.times:
            print("first_failure", self.times[0])
            print("last_failure", self.times[-1])
        for why, number in self.failures.most_common(10):
            print("failure:", why, number)


class User:
    def __init__(self, load, url, name):
        self.load, self.name = load, name
        self.host, self.port = urlsplit(url).hostname, urlsplit(url).port
        self.writer = None

    async def ask(self, method, path, token=None, body=None):
        """The status and the JSON of the answer."""
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        head = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        if token:
            head.append(f"Authorization: Bearer {token}")
        body = json.dumps(body).encode() if body is not None else b""
        if method == "POST":
            head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        self.writer.write("\r\n".join(head + ["", ""]).encode() + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        lines = answer.decode("latin-1").lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if line)
        text = await self.reader.readexactly(int(fields["content-length"]))
        if fields.get("connection") == "close":
            self.close()
        status = int(lines[0].split(" ")[1])
        # A proxy's own answers are pages.
        return status, json.loads(text) if fields["content-type"].startswith("application/json") else text

    def close(self):
        if self.writer:
            self.writer.close()
        self.writer = None

    async def counted(self, method, path, token=None, body=None):
        """The JSON of an answer with 200; None otherwise."""
        began = time.time()
        try:
            async with asyncio.timeout(30):
                status, answer = await self.ask(method, path, token, body)
        except (OSError, EOFError, ValueError, KeyError, TimeoutError) as error:
            self.close()
            status, answer = type(error).__name__, None
        failure = None if status == 200 else status
        self.load.count(path, failure, began)
        return None if failure else answer

    def keep(self, answer):
        if answer:
            self.access, self.refresh = answer["access_token"], answer["refresh_token"]

    async def begin(self):
        user = {"username": self.name, "password": PASSWORD}
        status, answer = await self.ask("POST", "/register", body=user)
        assert status in (201, 409), answer
        status, answer = await self.ask("POST", "/login", body=user | {"tokens": "body"})
        assert status == 200, answer
        self.keep(answer)
        # While the other users begin, a proxy may close it.
        self.close()

    async def run(self, number):
        while self.load.left > 0:
            number += 1
            if number % LOGIN_EVERY == LOGIN_EVERY // 2:
                before = self.refresh
                user = {"username": self.name, "password": PASSWORD, "tokens": "body"}
                self.keep(await self.counted("POST", "/login", body=user))
                if self.refresh != before:
                    await self.counted("POST", "/logout", before)
            elif number % REFRESH_EVERY == REFRESH_EVERY // 2:
                self.keep(await self.counted("POST", "/refresh", self.refresh))
            else:
                await self.counted("GET", "/protected", self.access)
            if self.load.pace:
                await asyncio.sleep(self.load.pace)


async def main():
    users, requests, pace, *urls = sys.argv[1:]
    load = Load(int(requests), float(pace))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.stop)
    users = [User(load, urls[number % len(urls)], f"load-{number}") for number in range(int(users))]
    for user in users:
        await user.begin()
    print("began", time.time(), flush=True)
    began = time.monotonic()
    # Not all log in at once.
    first = [index * LOGIN_EVERY // len(users) for index in range(len(users))]
    await asyncio.gather(*(user.run(number) for user, number in zip(users, first)))
    load.report(time.monotonic() - began)


asyncio.run(main())
