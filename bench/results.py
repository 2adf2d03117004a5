"""The results of a measurement: as JSON, as a page, and as a plot."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.counts import Count
from bench.measure import Measurement, Sample
from bench.section import Section, table
from bench.start import Start

HERE = Path(__file__).parent
PAGE, PLOT = HERE / "RESULTS.md", HERE / "ratios.svg"

# The least requests/s and the most CPU a call that are wanted, as ratios to the bare handler's.
GOALS = {
    "search": (1.15, 0.85),
    "get": (1.15, 0.85),
    "authorize (native)": (1.2, 0.85),
    "settle": (1.2, 0.85),
    "replay": (3.0, 0.85),
}


@dataclass(frozen=True, slots=True)
class Results:
    """All that was measured in one run."""

    measurements: Sequence[Measurement]
    counts: Sequence[Count]
    start: Start

    def json(self) -> str:
        return json.dumps(asdict(self))


HEAD = (
    "| case | connections | backend ms | requests/s, service : bare | spread | CPU us a call, service : bare | ratio "
    "| Redis CPU us, service : bare | p99 ms, service : bare |\n|---|---|---|---|---|---|---|---|---|"
)


def row(found: Measurement) -> str:
    """Return a row of the table for one measurement."""
    least, rate, most = found.ratio(lambda sample: sample.rate)
    _, cpu, _ = found.ratio(lambda sample: sample.cpu)
    cells = (
        found.case,
        str(found.connections),
        f"{found.latency_milliseconds:g}",
        f"**{rate:.2f}** ({_both(found, 'rate')})",
        f"{least:.2f} - {most:.2f}",
        _both(found, "cpu"),
        f"**{cpu:.2f}**",
        _both(found, "redis_cpu"),
        _both(found, "p99"),
    )
    return f"| {' | '.join(cells)} |"


def _both(found: Measurement, what: str) -> str:
    def read(sample: Sample) -> float:
        return float(getattr(sample, what))

    return f"{found.service(read):.0f} : {found.bare(read):.0f}"


def goals(measurements: Sequence[Measurement]) -> list[str]:
    """Return a row for each goal: what is wanted, what was found, and by how much it is missed."""
    rows = ["| goal | wanted | found | |", "|---|---|---|---|"]
    for found in measurements:
        if found.case not in GOALS or (found.connections, found.latency_milliseconds) != (48, 20):
            continue
        rate, cpu = found.ratio(lambda sample: sample.rate)[1], found.ratio(lambda sample: sample.cpu)[1]
        least_rate, most_cpu = GOALS[found.case]
        told = "reached" if rate >= least_rate else f"missed by {1 - rate / least_rate:.0%}"
        rows.append(f"| {found.case}: requests/s | >= {least_rate} | {rate:.2f} | {told} |")
        told = "reached" if cpu <= most_cpu else f"missed by {cpu / most_cpu - 1:.0%}"
        rows.append(f"| {found.case}: CPU a call | <= {most_cpu} | {cpu:.2f} | {told} |")
    return rows


def sections(results: Results) -> list[Section]:
    """Return what the page says of the load, the counts and the start."""
    megabytes = [size / 2**20 for size in results.start.resident_bytes]
    counted = ((one.call, one.round_trips, one.system_calls, one.commands, one.bytes_kept) for one in results.counts)
    head = ("call", "round trips to Redis", "calls of the system", "commands in Redis", "bytes kept")
    starts = (
        f"- From the command to `/-/ready`: {', '.join(f'{one:.2f}' for one in results.start.seconds)} s.",
        f"- Resident memory of a process then: {min(megabytes):.0f} to {max(megabytes):.0f} MB.",
    )
    return [
        Section("Goals", tuple(goals(results.measurements))),
        Section("Load", (HEAD, *map(row, results.measurements))),
        Section("Counts", table(head, counted)),
        Section("Start", starts),
    ]


def write(measured: Iterable[Section]) -> None:
    """Write the page anew with these; what was measured before and is not among them stays, and so do the notes."""
    head, *before = PAGE.read_text().split("\n## ")
    found = dict(part.split("\n", 1) for part in before)
    notes = found.pop(NOTES, "")
    when = f"Measured on {datetime.now(UTC):%Y-%m-%d} at commit {_commit()}: {_machine()}."
    for section in measured:
        found[section.title] = "\n".join((when, "", *section.lines))
    parts = [head, *(f"{title}\n{text}" for title, text in (*found.items(), (NOTES, notes)))]
    PAGE.write_text("\n\n## ".join(part.strip() for part in parts) + "\n")


NOTES = "Notes"


def plot(measurements: Sequence[Measurement]) -> None:
    """Draw the ratios beside the page."""
    import matplotlib as mpl  # noqa: PLC0415 - only there where results are written

    mpl.use("svg")
    mpl.rcParams |= {"svg.hashsalt": "giftbridge", "svg.fonttype": "none"}
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(8, 0.42 * len(measurements) + 1.2))
    names = [f"{one.case}, {one.connections} connections, {one.latency_milliseconds:g} ms" for one in measurements]
    places = list(range(len(names)))
    for what, shift, color in (("rate", 0.2, "#2b6cb0"), ("cpu", -0.2, "#c05621")):
        ratios = [one.ratio(lambda sample, what=what: float(getattr(sample, what)))[1] for one in measurements]  # type: ignore[misc]
        label = {"rate": "requests/s", "cpu": "CPU a call"}[what]
        axes.barh([place - shift for place in places], ratios, height=0.38, color=color, label=label)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlabel("service : bare handler")
    axes.legend()
    figure.tight_layout()
    options: dict[str, Any] = {"metadata": {"Date": None}}
    figure.savefig(PLOT, **options)


def _commit() -> str:
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=False
    )
    return told.stdout.strip() or "unknown"


def _machine() -> str:
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, load average at the end {load}"
