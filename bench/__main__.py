"""The service beside a bare handler, in the same run: `python -m bench --help`.

Rates of a shared machine mean little: compare the ratios, which are taken in the same round.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click

from bench.cases import CASES
from bench.counts import MOST_COMMANDS, MOST_ROUND_TRIPS
from bench.load import NoLoad
from bench.machine import machine
from bench.measure import Measurement, measure
from bench.quick import counts
from bench.results import HEAD, Results, kept_notes, row, write
from bench.start import starts

# One without a transaction, one with.
TELLING = ("get", "authorize (native)")


@click.command()
@click.option("--case", "chosen", multiple=True, help="Only the cases whose name begins with this.")
@click.option("--connections", multiple=True, type=int, default=(48, 1, 256), show_default=True)
@click.option("--backend", multiple=True, type=float, default=(20.0, 0.0, 200.0), show_default=True, help="Its ms.")
@click.option("--seconds", default=4.0, show_default=True, help="How long each load lasts.")
@click.option("--rounds", default=3, show_default=True, help="How often; the median counts.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON, too.")
@click.option("--write", "written", is_flag=True, help="Write bench/RESULTS.md and its plot.")
@click.option("--quick", is_flag=True, help="Only the counts, which need no wrk; fails where they are too many.")
def main(
    chosen: tuple[str, ...],
    connections: tuple[int, ...],
    backend: tuple[float, ...],
    seconds: float,
    rounds: int,
    as_json: bool,
    written: bool,
    quick: bool,
) -> None:
    """Measure the service beside the bare handler, and print the ratios."""
    counted = counts()
    for count in counted:
        most = f"at most {MOST_ROUND_TRIPS[count.call]} and {MOST_COMMANDS[count.call]}"
        click.echo(f"{count.call}: {count.round_trips} round trips, {count.commands} commands ({most})")
    if quick:
        raise SystemExit(any(count.too_many for count in counted))
    cases = [case.name for case in CASES if not chosen or case.name.startswith(chosen)]
    click.echo(HEAD)
    found = []
    try:
        for one in measurements(cases, connections, backend, seconds, rounds):
            click.echo(row(one))
            found.append(one)
    except NoLoad as error:
        raise click.ClickException(str(error)) from error
    results = Results(found, counted, starts())
    if as_json:
        click.echo(results.json())
    if written:
        write(results, kept_notes())


def measurements(
    names: list[str], connections: tuple[int, ...], backend: tuple[float, ...], seconds: float, rounds: int
) -> Iterator[Measurement]:
    """Yield each case at the first number of connections and latency, and those that are telling at all others."""
    runs = itertools.count()
    for latency in backend:
        with tempfile.TemporaryDirectory() as folder, machine(Path(folder), latency / 1000) as running:
            for count, case in itertools.product(connections, CASES):
                first = (count, latency) == (connections[0], backend[0])
                if case.name in names and (first or case.name in TELLING):
                    yield measure(
                        running,
                        case,
                        connections=count,
                        latency_milliseconds=latency,
                        seconds=seconds,
                        rounds=rounds,
                        run=f"run{next(runs)}",
                    )


if __name__ == "__main__":
    main()
