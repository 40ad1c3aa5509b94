"""Writes the figures as a table and a chart: docs/performance.md and docs/performance.svg."""

import dataclasses
import datetime
import html
import json
import os
import pathlib
import platform
import re
import subprocess

from rounds import Spread
from servers import HERE, ROOT

DOCS = ROOT / "docs"
PAGE = DOCS / "performance.md"
MEASURED = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "bench"


@dataclasses.dataclass
class Row:
    what: str
    goal: str
    figure: "Spread | float"
    detail: str

    def value(self):
        return self.figure.median if isinstance(self.figure, Spread) else self.figure

    def met(self):
        sign, bound = self.goal.split()[:2]
        bound = float(bound.replace(",", ""))
        return self.value() <= bound if sign == "<=" else self.value() >= bound

    def line(self):
        unit = "".join(self.goal.split()[2:])
        figure = f"**{number(self.value())}{' ' * bool(unit)}{unit}**"
        if isinstance(self.figure, Spread):
            figure += f" ({self.figure})"
        goal = self.goal.replace("<=", "at most").replace(">=", "at least")
        return f"| {self.what} | {goal} | {figure}{'' if self.met() else ', missed'} | {self.detail} |"


def number(value):
    return f"{value:,.{2 if abs(value) < 10 else 1 if abs(value) < 1000 else 0}f}"


def table(lines):
    return "| metric | goal | measured (quartiles) | figures |\n|---|---|---|---|\n" + "".join(line + "\n" for line in lines)


def said(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip().splitlines()[0]
    except (OSError, IndexError):
        return "?"


def versions(bench):
    """Returns the versions of what was measured, as far as it is installed."""
    python = bench.scratch / "python" / "bin" / "python"
    of = "import importlib.metadata as m; print(m.version({!r}))"
    others = {name: said(python, "-c", of.format(name)) for name in ("Flask-JWT-Extended", "gunicorn")}
    for name in ("fastify", "@fastify/jwt", "better-auth"):
        package = bench.scratch / "node" / "node_modules" / name / "package.json"
        if package.exists():
            others[name] = json.loads(package.read_text())["version"]
    lock = (ROOT / "Cargo.lock").read_text()
    actix = re.search(r'name = "actix-web"\nversion = "([^"]+)"', lock)[1]
    return (
        f"{said('rustc', '--version')}; actix-web {actix}; {said('postgres', '--version')}; "
        f"{said(python, '--version')}; Node {said('node', '--version')}; "
        + ", ".join(f"{name} {version}" for name, version in others.items())
    )


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) / 2**20
    return f"{os.cpu_count()} cores ({cpu[1] if cpu else platform.machine()}), {memory:.0f} GiB, Linux {platform.release()}"


def picture(rates):
    """Returns a bar chart of the rates, the longest first."""
    longest, height = max(rates.values()), 34
    bars = []
    for at, (name, rate) in enumerate(sorted(rates.items(), key=lambda pair: -pair[1])):
        y, width, ours = 40 + at * height, 430 * rate / longest, name == "tokenpair"
        bars.append(
            f'<text x="230" y="{y + 16}" text-anchor="end">{html.escape(name)}</text>'
            f'<rect x="240" y="{y}" width="{max(width, 1):.1f}" height="22" fill="{"#0969da" if ours else "#8c959f"}"/>'
            f'<text x="{246 + width:.1f}" y="{y + 16}">{rate:,.0f}</text>'
        )
    total = 50 + len(rates) * height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {total}" font-family="sans-serif" font-size="13" fill="#57606a">'
        f'<text x="20" y="22" font-size="15">GET /protected per second, 64 clients on the same machine</text>{"".join(bars)}</svg>\n'
    )


def keep(part, lines, rates, bench):
    """Keeps what a part has measured, so that a part can be measured again alone."""
    MEASURED.mkdir(parents=True, exist_ok=True)
    kept = {"lines": lines, "rates": rates, "day": today(), "machine": machine(), "versions": versions(bench)}
    (MEASURED / f"{part}.json").write_text(json.dumps(kept))


def write(parts):
    """Writes the page from the latest measurement of each part."""
    kept = {part: json.loads((MEASURED / f"{part}.json").read_text()) for part in parts if (MEASURED / f"{part}.json").exists()}
    missing = [part for part in parts if part not in kept]
    if "peers" in kept:
        (DOCS / "performance.svg").write_text(picture(kept["peers"]["rates"]))
    several = lambda key: "; ".join(sorted({measured[key] for measured in kept.values()}))
    lines = [line for measured in kept.values() for line in measured["lines"]]
    unmeasured = f"Not measured this time: {', '.join(missing)}.\n" if missing else ""
    longest = max((measured["versions"] for measured in kept.values()), key=len)
    PAGE.write_text(f"""# Performance

Written by `scripts/bench` on {several("day")}, all on one machine: {several("machine")}.
{longest}.

Clients and servers share the cores, so compare the ratios; the absolute figures are this machine's.
To measure on yours, run `scripts/bench`: it installs its tools and rewrites this page.
{unmeasured}
{table(lines)}
![GET /protected per second](performance.svg)

## Millions of rows, and four servers

{scale()}
{(HERE / "notes.md").read_text()}""")


BEGIN, END = "<!-- scripts/scale -->", "<!-- end -->"


def scale():
    """Returns what `scripts/scale` wrote into the page, with its marks."""
    found = re.search(f"{BEGIN}.*{END}\n", PAGE.read_text(), re.DOTALL) if PAGE.exists() else None
    return found[0] if found else f"{BEGIN}\nNot measured yet: run `scripts/scale`.\n{END}\n"


def write_scale(rows, seconds):
    part = (
        f"{BEGIN}\nWritten by `scripts/scale` on {today()}, in {seconds / 60:.0f} minutes, on {machine()}.\n\n"
        f"{table(row.line() for row in rows)}{END}\n"
    )
    page = PAGE.read_text()
    before = scale()
    if before not in page:
        raise SystemExit(f"{PAGE} has no {BEGIN}: run scripts/bench first")
    PAGE.write_text(page.replace(before, part))


def today():
    return datetime.date.today().isoformat()
