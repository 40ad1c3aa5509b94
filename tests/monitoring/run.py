"""Runs scripts/monitoring-test: servers, Prometheus, a storm, and the checks of what Prometheus then says."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

from storm import Storm

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/tokenpair.json"
PAGE = ROOT / "docs/monitoring.md"
PROGRAM = sys.argv[1]

# What only the outage of a database causes, and SQLite has none.
OF_AN_OUTAGE = {"TokenpairRevocationsStale", "TokenpairDatabaseSlow"}

passed = failed = 0


def check(name, problem):
    """Counts a check, which has a problem or none."""
    global passed, failed
    if problem:
        failed += 1
        print(f"FAILED  {name}: {problem}", flush=True)
    else:
        passed += 1
        print(f"ok      {name}", flush=True)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, cwd=RULES.parent)
    return None if done.returncode == 0 else done.stdout + done.stderr


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Prometheus:
    """A Prometheus with the rules of deploy/, but without the time for which an alert must last."""

    def __init__(self, folder, targets):
        rules = re.sub(r"^ +for: .*\n", "", RULES.read_text(), flags=re.M)
        rules = re.sub(r"\[(5|15)m\]", "[1m]", rules)
        (folder / "alerts.yml").write_text(rules)
        config = (RULES.parent / "prometheus.yml").read_text()
        config = config.replace("15s", "1s").replace('["127.0.0.1:9464"]', json.dumps(targets))
        (folder / "prometheus.yml").write_text(config)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address={self.url[7:]}"],
            stdout=subprocess.DEVNULL, stderr=(folder / "prometheus.log").open("w"))
        self.fired = set()

    def ask(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=10) as response:
            return json.load(response)["data"]

    def query(self, expression):
        return self.ask("query", query=expression)["result"]

    def note_alerts(self):
        for alert in self.ask("alerts")["alerts"]:
            if alert["state"] == "firing":
                self.fired.add(alert["labels"]["alertname"])

    def ready(self):
        try:
            return len(self.query("up == 1")) == 2
        except OSError:
            return False

    def stop(self):
        self.process.terminate()
        self.process.wait()


def within(seconds, what, is_so):
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds} s: {what}")
        time.sleep(0.2)


def names_of(text):
    """The names of metrics in a text."""
    return set(re.findall(r"\b(?:tokenpair|http_server|process)_[a-z_]*[a-z]\b", text))


def check_files():
    check("promtool check rules", run("promtool", "check", "rules", RULES.name))
    check("promtool test rules", run("promtool", "test", "rules", "alerts.test.yml"))
    check("promtool check config", run("promtool", "check", "config", "prometheus.yml"))
    dashboard = json.loads(DASHBOARD.read_text())
    check("the dashboard has the types of Grafana", mistyped(dashboard))
    panels = dashboard["panels"]
    ids = [panel["id"] for panel in panels]
    check("the panels have an id each", len(set(ids)) < len(ids) and ids)
    check("the panels do not overlap", overlapping(panels))
    untitled = [panel["id"] for panel in panels if not panel["title"]]
    check("the panels have titles", untitled)
    sources = set(re.findall(r'"uid": "([^"]*)"', DASHBOARD.read_text())) - {dashboard["uid"]}
    check("every query uses the variable of the data source", sources - {"${datasource}"})
    return dashboard


def mistyped(dashboard):
    """What a typed reading of the dashboard loses or changes."""
    from grafana_foundation_sdk.cog import plugins
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models.dashboard import Dashboard

    plugins.register_default_plugins()
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))

    def lost(before, after, path):
        if isinstance(before, dict) and isinstance(after, dict):
            return [found for key in before
                    for found in ([f"{path}/{key}"] if key not in after else lost(before[key], after[key], f"{path}/{key}"))]
        if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
            return [found for place, (one, other) in enumerate(zip(before, after)) for found in lost(one, other, f"{path}/{place}")]
        return [] if before == after else [path]

    return lost(dashboard, again, "")


def overlapping(panels):
    taken = {}
    for panel in panels:
        at = panel["gridPos"]
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                if taken.setdefault((x, y), panel["id"]) != panel["id"] or x > 23:
                    return panel["title"]
    return None


def check_scrape(prometheus, storm):
    for accept in ("text/plain", "application/openmetrics-text"):
        kind, text = storm.scrape(accept)
        check(f"a scrape is {accept}", not kind.startswith(accept) and kind)
        if accept == "text/plain":
            done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
            check("promtool check metrics", done.stdout + done.stderr)
    known = set(prometheus.ask("label/__name__/values"))
    known |= {re.sub(r"_(bucket|count|sum)$", "", name) for name in known}
    for path in (RULES, DASHBOARD, PAGE):
        # Also a name's beginning, as in process_*.
        unknown = {name for name in names_of(path.read_text()) - known if not any(other.startswith(f"{name}_") for other in known)}
        check(f"{path.name} names only metrics that there are", unknown)


def check_dashboard(prometheus, dashboard):
    """Runs every query, with the variables as Grafana would set them."""
    variables = {"$job": "tokenpair", "$instance": ".*", "$__rate_interval": "2m", "$__range": "5m"}

    def filled(expression):
        for name, value in variables.items():
            expression = expression.replace(name, value)
        return expression

    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", filled(variable["query"]["query"])).groups()
            values = prometheus.ask(f"label/{label}/values", **{"match[]": series})
            check(f"dashboard, variable {variable['name']}", not values and "no values")
    for annotation in dashboard["annotations"]["list"]:
        found = prometheus.query(f"max_over_time(({filled(annotation['expr'])})[5m:1s])")
        check(f"dashboard, annotation {annotation['name']}", not found and "no data")
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            found = prometheus.query(filled(target["expr"]))
            finite = [series for series in found if series["value"][1] not in ("NaN", "+Inf")]
            check(f"dashboard, {panel['title']} {target['refId']}", not finite and f"no data: {target['expr']}")
            if panel["title"] in ("Active sessions", "Logouts avoided", "Token reuse"):
                caused = [series for series in finite if float(series["value"][1]) > 0]
                check(f"dashboard, {panel['title']} has what the storm caused", not caused and finite)


def check_examples(prometheus):
    """Runs the examples of the page."""
    for example in re.findall(r"```promql\n(.*?)```", PAGE.read_text(), flags=re.S):
        expression = re.sub(r"\[\d+[mhd]\]", "[2m]", example)
        check(f"example {' '.join(example.split())[:70]}", not prometheus.query(expression) and "no data")


def check_alerts(prometheus, database):
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    for alert in alerts:
        if database == "SQLite" and alert in OF_AN_OUTAGE:
            continue
        check(f"alert {alert} fires", alert not in prometheus.fired and "it did not")


def storm_on(database, url, stop_database, dashboard):
    print(f"\n== {database}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        storm = Storm(PROGRAM, folder, url, [free_port() for _ in range(4)])
        prometheus = Prometheus(folder, storm.targets())
        try:
            within(30, "Prometheus scrapes both servers", prometheus.ready)
            prometheus.note_alerts()
            check("no alert fires without a cause", prometheus.fired - {"TokenpairCertificateExpiring"})
            for step in storm.steps():
                print(f"        {step}", flush=True)
                within(60, "Prometheus answers", prometheus.ready if step != "a replica is down" else lambda: True)
                prometheus.note_alerts()
            for _ in range(4):
                time.sleep(1)
                prometheus.note_alerts()
            check_scrape(prometheus, storm)
            check_dashboard(prometheus, dashboard)
            check_examples(prometheus)
            if stop_database:
                print("        the database is away", flush=True)
                subprocess.run(["bash", "-c", stop_database], check=True)
                for _ in storm.outage(25):
                    prometheus.note_alerts()
            check_alerts(prometheus, database)
        finally:
            prometheus.stop()
            storm.stop()


def main():
    dashboard = check_files()
    storm_on("SQLite", None, None, dashboard)
    storm_on("PostgreSQL", os.environ["TOKENPAIR_TEST_POSTGRES"], os.environ["POSTGRES_STOP"], dashboard)
    print(f"\n{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
