"""The service beside a bare handler, in the same run: `python -m bench --help`.

Rates of a shared machine mean little: compare the ratios, which are taken in the same round.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import click

from bench.cases import CASES
from bench.load import NoLoad
from bench.machine import machine
from bench.measure import Measurement, measure


@click.command()
@click.option("--case", "chosen", multiple=True, help="Only the cases whose name holds this.")
@click.option("--connections", multiple=True, type=int, default=(48,), show_default=True)
@click.option("--backend", multiple=True, type=float, default=(20.0,), show_default=True, help="Its milliseconds.")
@click.option("--seconds", default=4.0, show_default=True, help="How long each load lasts.")
@click.option("--rounds", default=3, show_default=True, help="How often; the median counts.")
def main(
    chosen: tuple[str, ...], connections: tuple[int, ...], backend: tuple[float, ...], seconds: float, rounds: int
) -> None:
    """Measure the service beside the bare handler, and print the ratios."""
    cases = [case for case in CASES if not chosen or any(word in case.name for word in chosen)]
    numbers = itertools.count()
    click.echo(HEAD)
    for latency in backend:
        with tempfile.TemporaryDirectory() as folder, machine(Path(folder), latency / 1000) as running:
            for count, case in itertools.product(connections, cases):
                try:
                    found = measure(
                        running,
                        case,
                        connections=count,
                        latency_milliseconds=latency,
                        seconds=seconds,
                        rounds=rounds,
                        run=f"run{next(numbers)}",
                    )
                except NoLoad as error:
                    raise click.ClickException(str(error)) from error
                click.echo(row(found))


HEAD = (
    "| case | connections | backend ms | requests/s, ours : bare | spread | CPU us, ours : bare | ratio "
    "| Redis CPU us, ours : bare | p99 ms, ours : bare |\n|---|---|---|---|---|---|---|---|---|"
)


def row(found: Measurement) -> str:
    """Return a row of the table for one measurement."""
    least, rate, most = found.ratio(lambda sample: sample.rate)
    _, cpu, _ = found.ratio(lambda sample: sample.cpu)
    cells = (
        found.case,
        str(found.connections),
        f"{found.latency_milliseconds:g}",
        f"**{rate:.2f}** ({found.ours(lambda one: one.rate):.0f} : {found.bare(lambda one: one.rate):.0f})",
        f"{least:.2f} - {most:.2f}",
        f"{found.ours(lambda one: one.cpu):.0f} : {found.bare(lambda one: one.cpu):.0f}",
        f"**{cpu:.2f}**",
        f"{found.ours(lambda one: one.redis_cpu):.0f} : {found.bare(lambda one: one.redis_cpu):.0f}",
        f"{found.ours(lambda one: one.p99):.0f} : {found.bare(lambda one: one.p99):.0f}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
