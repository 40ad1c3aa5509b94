"""A client that keeps its connection, and loads of requests at a fixed rate, each in a process of its own."""

import json
import multiprocessing
import os
import socket
import time


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def status(self, method, path, token=None, body=None):
        """Returns the status of the response, after it has been read to its end."""
        text = "" if body is None else json.dumps(body)
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        if token:
            head += f"Authorization: Bearer {token}\r\n"
        if method == "POST":
            head += f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        self.socket.sendall((head + "\r\n" + text).encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.read()
        head, _, body = answer.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += self.read()
        return int(head[9:12])

    def read(self):
        data = self.socket.recv(65536)
        if not data:
            raise SystemExit("the server closed the connection")
        return data

    def timed(self, *request):
        """Returns the milliseconds until the response; fails on any status other than 200."""
        began = time.perf_counter()
        status = self.status(*request)
        if status != 200:
            raise SystemExit(f"{request[0]} {request[1]} was answered with {status}")
        return (time.perf_counter() - began) * 1000


def ahead():
    """The clients measure, so they go before what they measure, where the system permits it."""
    if os.geteuid() == 0:
        os.nice(-10)


def paced(port, rate, requests, until):
    """Sends these requests at this rate until the event is set. Returns the milliseconds of each, from the time it was due."""
    client, times, began = Client(port), [], time.perf_counter()
    for number, request in enumerate(requests):
        due = began + number / rate
        time.sleep(max(0, due - time.perf_counter()))
        if until.is_set():
            return times
        client.timed(*request)
        times.append((time.perf_counter() - due) * 1000)
    raise SystemExit("there were too few requests for the whole load")


class Load:
    """Runs functions in processes of their own until the block ends; `results` has what each returned."""

    def __init__(self, work):
        """`work`: a function and its arguments by name; each also gets the event that ends it."""
        fork = multiprocessing.get_context("fork")
        self.until, self.answers, self.results = fork.Event(), fork.Queue(), {}
        self.processes = [fork.Process(target=self.child, args=(name, *call)) for name, call in work.items()]

    def child(self, name, function, *arguments):
        ahead()
        try:
            self.answers.put((name, function(*arguments, self.until)))
        except BaseException as failure:  # SystemExit too
            self.answers.put((name, f"failed: {failure!r}"))

    def __enter__(self):
        for process in self.processes:
            process.start()
        return self

    def __exit__(self, *_):
        self.until.set()
        for _ in self.processes:
            name, result = self.answers.get(timeout=60)
            self.results[name] = result
        for process in self.processes:
            process.join()
        failed = [f"{name} {result}" for name, result in self.results.items() if isinstance(result, str)]
        if failed:
            raise SystemExit("; ".join(failed))
