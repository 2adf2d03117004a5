"""How much CPU each call costs beside the cheapest one: `python -m bench [--rounds N]`.

Everything runs in this process but Redis, which is the embedded one with its file synced at every write. The
backend is the `memory` mapper, so that only the service itself is measured. Rates of a shared machine mean little;
compare the ratios, which are taken in the same run, call by call in turn.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from app import create_app
from app.server.embedded import EmbeddedRedis
from app.settings import Settings
from providers.registry import Registry

PROVIDERS = """
[bench]
caption = "Bench"
currency = "BRL"
mapper = "memory"
[[bench.credentials]]
app_key = "key"
app_token = "token"
"""

HEADERS = {"X-PROVIDER-API-AppKey": "key", "X-PROVIDER-API-AppToken": "token"}


@click.command()
@click.option("--rounds", default=300, show_default=True, help="How often each call is made.")
def main(rounds: int) -> None:
    """Print the median CPU time of each call, and its ratio to /health."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(Path(folder)) as storage:
        calls = _calls(storage.url, Path(folder))
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(rounds):
            for name, call in calls.items():
                before = time.process_time()
                call()
                taken[name].append((time.process_time() - before) * 1e6)
    base = statistics.median(taken["health"])
    click.echo(f"{'call':12} {'CPU us':>8} {'ratio':>7}")
    for name, times in taken.items():
        median = statistics.median(times)
        click.echo(f"{name:12} {median:8.0f} {median / base:7.1f}")


def _calls(redis_url: str, folder: Path) -> dict[str, Callable[[], object]]:
    providers = folder / "providers.toml"
    providers.write_text(PROVIDERS)
    settings = replace(Settings(), redis_url=redis_url, log_level="ERROR", redis_timeout_seconds=1.0)
    client = create_app(settings, Registry.load(providers)).test_client()
    numbers = itertools.count()
    found = client.post(
        "/bench/giftcards/_search", json={"cart": {"redemptionCode": "MEMORY-ACTIVE-250"}}, headers=HEADERS
    )
    card = f"/bench/giftcards/{found.get_json()[0]['id']}"
    open_transactions: list[str] = []

    def post(path: str, body: dict[str, object]) -> dict[str, object]:
        answer = client.post(path, json=body, headers=HEADERS)
        if answer.status_code != 200:
            raise click.ClickException(f"{path}: {answer.status_code} {answer.text}")
        value: dict[str, object] = answer.get_json()
        return value

    def authorize() -> None:
        body = {"operation": "Debit", "value": 0.01, "requestId": f"bench-{next(numbers)}"}
        open_transactions.append(str(post(f"{card}/transactions", body)["id"]))

    def settle() -> None:
        post(f"{card}/transactions/{open_transactions.pop()}/settlements", {"value": 0.01, "requestId": "s"})

    return {
        "health": lambda: client.get("/health"),
        "search": lambda: client.post(
            "/bench/giftcards/_search", json={"cart": {"redemptionCode": "MEMORY-ACTIVE-250"}}, headers=HEADERS
        ),
        "get card": lambda: client.get(card, headers=HEADERS),
        "authorize": authorize,
        "settle": settle,
    }


if __name__ == "__main__":
    main()
