"""The service beside a bare handler, in the same run: `python -m bench --help`.

Rates of a shared machine mean little: compare the ratios, which are taken in the same round.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from bench.cases import CASES
from bench.counts import MOST_COMMANDS, MOST_ROUND_TRIPS, MOST_SYSTEM_CALLS, Count
from bench.growth import growth
from bench.load import NoLoad
from bench.machine import machine
from bench.measure import Measurement, measure
from bench.quick import counts
from bench.results import HEAD, Results, plot, row, sections, write
from bench.section import Section
from bench.start import starts
from bench.strain import half_load, hung, long_run

# One without a transaction, one with.
TELLING = ("get", "authorize (native)")


# What is measured apart from the load, by name.
STRAINS = {"half-load": half_load, "hung": hung, "long-run": long_run}
PAGES = ("load", *STRAINS, "growth")


@click.command()
@click.option(
    "--page", "pages", multiple=True, type=click.Choice((*PAGES, "all")), default=("load",), show_default=True
)
@click.option("--case", "chosen", multiple=True, help="Of the load, only the cases whose name begins with this.")
@click.option("--connections", multiple=True, type=int, default=(48, 1, 256), show_default=True)
@click.option("--backend", multiple=True, type=float, default=(20.0, 0.0, 200.0), show_default=True, help="Its ms.")
@click.option("--seconds", default=4, show_default=True, help="How long each load lasts.")
@click.option("--rounds", default=3, show_default=True, help="How often; the median counts.")
@click.option("--most", default=100_000, show_default=True, help="Of the growth, up to so many transactions.")
@click.option("--json", "as_json", is_flag=True, help="Print the results of the load as JSON, too.")
@click.option("--write", "written", is_flag=True, help="Write what was measured into bench/RESULTS.md.")
@click.option("--quick", is_flag=True, help="Only the counts, which need no wrk; fails where they are too many.")
def main(
    pages: tuple[str, ...],
    chosen: tuple[str, ...],
    connections: tuple[int, ...],
    backend: tuple[float, ...],
    seconds: int,
    rounds: int,
    most: int,
    as_json: bool,
    written: bool,
    quick: bool,
) -> None:
    """Measure the service, beside the bare handler where that can be compared, and print what was found."""
    if quick:
        raise SystemExit(any(count.too_many for count in _counted()))
    try:
        for page in PAGES:
            if page not in pages and "all" not in pages:
                continue
            if page == "load":
                results = _loaded(chosen, connections, backend, seconds, rounds)
                found: Iterable[Section] = sections(results)
                if as_json:
                    click.echo(results.json())
                if written:
                    plot(results.measurements)
            else:
                found = growth(most) if page == "growth" else [STRAINS[page]()]
            for section in found:
                if page != "load":
                    click.echo("\n".join((f"\n## {section.title}", *section.lines)))
                if written:
                    write([section])
    except NoLoad as error:
        raise click.ClickException(str(error)) from error


def _counted() -> list[Count]:
    counted = counts()
    for count in counted:
        found = f"{count.round_trips} round trips, {count.system_calls} calls of the system, {count.commands} commands"
        most = MOST_ROUND_TRIPS[count.call], MOST_SYSTEM_CALLS[count.call], MOST_COMMANDS[count.call]
        click.echo(f"{count.call}: {found} (at most {', '.join(map(str, most))})")
    return counted


def _loaded(
    chosen: tuple[str, ...], connections: tuple[int, ...], backend: tuple[float, ...], seconds: int, rounds: int
) -> Results:
    counted = _counted()
    cases = [case.name for case in CASES if not chosen or case.name.startswith(chosen)]
    click.echo(HEAD)
    found = []
    for one in measurements(cases, connections, backend, seconds, rounds):
        click.echo(row(one))
        found.append(one)
    return Results(found, counted, starts())


def measurements(
    names: list[str], connections: tuple[int, ...], backend: tuple[float, ...], seconds: int, rounds: int
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
