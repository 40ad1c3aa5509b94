"""Two replicas, and a storm that causes everything that the metrics count."""

import base64
import http.server
import json
import os
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

PASSWORD = "correct horse battery"

# The rotation window in seconds, the shortest that there may be.
WINDOW = 10


class Server:
    def __init__(self, program, folder, environment):
        self.program, self.folder, self.environment = program, folder, environment
        self.start()

    def start(self):
        self.process = subprocess.Popen([self.program, "serve"], cwd=self.folder, env=self.environment,
                                        stdout=subprocess.DEVNULL, stderr=(self.folder / "log").open("a"))

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes the alerts of the webhook until it is told to be gone."""

    status = 204

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(Receiver.status)
        self.end_headers()

    def log_message(self, *_):
        pass


class Storm:
    def __init__(self, program, folder, database, ports):
        self.folder, self.database = folder, database
        self.ports, self.metrics = ports[:2], ports[2:]
        # A certificate about to expire.
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", folder / "key.pem", "-out", folder / "cert.pem"], check=True, capture_output=True)
        self.trust = ssl.create_default_context()
        self.trust.check_hostname = False
        self.trust.verify_mode = ssl.CERT_NONE
        Receiver.status = 204
        self.receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=self.receiver.serve_forever, daemon=True).start()
        common = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database or f"sqlite://{folder}/tokenpair.db",
            "DATABASE_POOL": "2",
            "JWT_SECRET_KEY": "the secret of the storm: 64 bytes that no other server signs with",
            "PASSWORD_BCRYPT_COST": "10",
            "PASSWORD_QUEUE": "4",
            "SESSION_ROTATION_WINDOW": f"{WINDOW}s",
            "JWT_ACCESS_TOKEN_EXPIRES": "20s",
            "JWT_REISSUE_WITHIN": "15s",
            "SERVER_TLS_CERT": str(folder / "cert.pem"),
            "SERVER_TLS_KEY": str(folder / "key.pem"),
            "SERVER_DRAIN": "0",
            "SERVER_ACCESS_LOG": "off",
            "THROTTLE_PEER": "2000/15m",
            "WEBHOOK_URL": f"http://127.0.0.1:{self.receiver.server_port}/",
            "WEBHOOK_SECRET": "whsec_" + base64.b64encode(b"32 bytes for this storm's alerts").decode(),
        }
        self.servers = []
        for port, metrics in zip(self.ports, self.metrics):
            environment = {**common, "SERVER_BIND": f"127.0.0.1:{port}", "METRICS_BIND": f"127.0.0.1:{metrics}"}
            self.servers.append(Server(program, folder, environment))
        for port in self.ports:
            self.wait_for(port)
        subprocess.run([program, "user", "add", "root", "--admin", "--password-stdin"], input=PASSWORD, text=True, cwd=folder,
                       env=common, check=True, capture_output=True)

    def targets(self):
        return [f"127.0.0.1:{port}" for port in self.metrics]

    def wait_for(self, port):
        for _ in range(200):
            if self.send("GET", "/health/ready", port=port)[0] == 200:
                return
            time.sleep(0.1)
        raise SystemExit((self.folder / "log").read_text())

    def stop(self):
        for server in self.servers:
            server.stop()
        self.receiver.shutdown()

    def scrape(self, accept):
        request = urllib.request.Request(f"http://127.0.0.1:{self.metrics[0]}/metrics", headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.headers["Content-Type"], response.read().decode()

    def send(self, method, path, body=None, token=None, cookies=None, port=None):
        """Returns the status, the JSON and the cookies of a response. Status 0: none came."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        data = json.dumps(body).encode() if body is not None else None
        url = f"https://127.0.0.1:{port or self.ports[0]}{path}"
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            response = urllib.request.urlopen(request, timeout=20, context=self.trust)
        except urllib.error.HTTPError as error:
            response = error
        except OSError:
            return 0, {}, {}
        with response:
            set_cookies = response.headers.get_all("Set-Cookie") or []
            text = response.read()
        jar = dict(cookie.split(";")[0].split("=", 1) for cookie in set_cookies)
        try:
            return response.status, json.loads(text), jar
        except ValueError:
            return response.status, {}, jar

    def log_in(self, name="ada", password=PASSWORD, tokens="body", port=None):
        return self.send("POST", "/login", {"username": name, "password": password, "tokens": tokens}, port=port)

    def pair(self, name="ada"):
        while True:
            status, pair, _ = self.log_in(name)
            if status == 200:
                return pair

    def refresh(self, pair):
        return self.send("POST", "/refresh", token=pair["refresh_token"])

    def lose_responses(self, pair):
        """Rotates, and loses that response and each that recovers it, until it is an alert."""
        for _ in range(6):
            self.refresh(pair)
            time.sleep(WINDOW + 1)

    def at_once(self, number, work):
        threads = [threading.Thread(target=work) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def statement(self, text):
        """Runs a statement as a failover would undo a commit."""
        if self.database:
            subprocess.run(["psql", "--quiet", self.database, "--command", text], check=True)
        else:
            subprocess.run(["sqlite3", self.folder / "tokenpair.db", "PRAGMA busy_timeout=5000", text], check=True, capture_output=True)

    def steps(self):
        """Does one thing after another, and returns what it did."""
        user = {"username": "ada", "password": PASSWORD}
        _, ada, _ = self.send("POST", "/register", user)
        self.send("POST", "/register", {"username": "bob", "password": PASSWORD})
        unlucky = threading.Thread(target=self.lose_responses, args=(self.pair("bob"),))
        unlucky.start()
        yield "users registered"
        pairs = [self.pair() for _ in range(20)]
        yield "logins"
        newer = [self.refresh(pair)[1] for pair in pairs]
        for pair in pairs[:10]:
            self.at_once(4, lambda: self.refresh(pair))
        lost = time.monotonic()
        yield "refreshes of tabs at once, and responses that are lost"
        for _ in range(50):
            self.send("GET", "/protected", token=newer[0]["access_token"])
            self.send("GET", "/protected", token=newer[0]["access_token"], port=self.ports[1])
        self.send("GET", "/protected", token="not a token")
        self.send("GET", "/nowhere")
        self.send("LAUNCH", "/protected")
        yield "requests, some of them wrong"
        _, _, cookies = self.log_in(tokens="cookies")
        time.sleep(6)
        self.send("GET", "/protected", cookies=cookies)
        yield "a reissue"
        self.at_once(20, lambda: self.log_in(name="nobody", password="wrong"))
        for _ in range(100):
            self.log_in(name="nobody", password="wrong")
        yield "guesses"
        self.at_once(40, lambda: self.log_in())
        self.at_once(40, lambda: self.log_in())
        yield "more logins than the password queue takes"
        time.sleep(max(0, lost + WINDOW + 1 - time.monotonic()))
        for pair in pairs[10:]:
            self.refresh(pair)
        yield "lost responses, recovered"
        for pair in newer[10:14]:
            self.refresh(pair)
            self.refresh(pair)
        yield "stolen tokens"
        Receiver.status = 410
        root = self.pair("root")["access_token"]
        self.send("PATCH", f"/admin/users/{ada['id']}", {"roles": ["admin"]}, root)
        self.send("POST", "/logout", token=self.pair()["access_token"])
        yield "a new admin, and a logout"
        time.sleep(1.5)
        self.statement(f"DELETE FROM revocations WHERE user_id = '{ada['id']}'; UPDATE users SET epoch = 0 WHERE id = '{ada['id']}'")
        time.sleep(2)
        yield "a lost change"
        unlucky.join()
        yield "a session that recovers again and again"
        self.servers[1].stop()
        time.sleep(4)
        yield "a replica is down"
        self.servers[1].start()
        self.wait_for(self.ports[1])
        yield "and up again"

    def outage(self, seconds):
        """Sends requests that need the database, which is away."""
        end = time.monotonic() + seconds
        pair = {"refresh_token": "none"}
        while time.monotonic() < end:
            threading.Thread(target=lambda: self.log_in(), daemon=True).start()
            threading.Thread(target=lambda: self.refresh(pair), daemon=True).start()
            time.sleep(0.25)
            yield
