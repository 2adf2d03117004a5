"""What each page of the console takes with many transactions kept: `python -m bench.pages --help`."""

from __future__ import annotations

import json
import secrets
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import redis
from flask.testing import FlaskClient

from app.admin.people import sessions, users
from app.admin.people.users import Role
from app.console import create_console
from app.console.guard import SECRET
from app.ledger import names
from app.ledger.service import AuthorizationRequest, ChangeRequest
from app.ledger.storage import keys
from app.ledger.transaction import Operation
from app.parts import Parts, build
from app.server.embedded import EmbeddedRedis
from app.settings import Settings
from mappers.base import Query
from mappers.deadline import Deadline
from mappers.lightrail_v2 import sandbox
from mappers.sandbox import running
from providers.registry import Registry

CODE = "LIGHT-ACTIVE-250"
PROVIDERS = """\
[acme]
caption = "Gift cards"
currency = "BRL"
mapper = "lightrail_v2"
options = {{ base_url = "{url}/v2", api_key = "{key}" }}
[[acme.credentials]]
app_key = "key"
app_token = "token"
"""

BATCH = 5000
ROUNDS = 5

# Of all transactions: so many are not over yet, and so many belong to one card.
OPEN = 0.05
OF_ONE_CARD = 0.1

DAY_MILLISECONDS = 24 * 60 * 60 * 1000
OPEN_DAYS = 7
KEPT_DAYS = 300


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look at a page cost. `read`: transactions and other values that were read; `commands`: all of Redis."""

    path: str
    status: int
    milliseconds: float
    read: int
    commands: int


def fill(parts: Parts, client: redis.Redis, originals: tuple[str, str], count: int) -> None:
    """Write copies of two transactions, one that is reserved and one that is over, as the ledger keeps them."""
    client.config_set("appendfsync", "no")
    reserved, over = (_template(client, name) for name in originals)
    card = reserved.card
    now = parts.connection.now_milliseconds()
    for start in range(0, count, BATCH):
        texts: dict[int, dict[str, str]] = defaultdict(dict)
        sets: dict[str, dict[str, float]] = defaultdict(dict)
        for number in range(start, min(start + BATCH, count)):
            is_open = number % round(1 / OPEN) == 0
            own = card if number % round(1 / OF_ONE_CARD) == 0 else f"card-{number}"
            bucket = names.bucket_of_card(own)
            name = f"gb-{bucket:02x}{secrets.token_hex(16)}"
            # The newest ones are those that are not over.
            days, of = (OPEN_DAYS, reserved) if is_open else (KEPT_DAYS, over)
            date = now - number * days * DAY_MILLISECONDS // count
            ends = date + (OPEN_DAYS + 1 if is_open else KEPT_DAYS * 2) * DAY_MILLISECONDS
            order, request_id = f"15{number:011}-01", f"request-{number}"
            text = of.text(name=name, card=own, order=order, request_id=request_id, date=date, ends=ends)
            texts[bucket][str(keys.of_transaction(name))] = text
            sets[keys.in_bucket(bucket, "all")][name] = date
            sets[keys.in_bucket(bucket, "due" if is_open else "over")][name] = ends
            sets[keys.of_card("acme", own)][name] = date
            sets[keys.in_bucket(bucket, "index")].update(dict.fromkeys(keys.index_entries(name, request_id, order), 0))
        with client.pipeline(transaction=False) as pipeline:
            for found in texts.values():
                pipeline.mset(found)
            for key, members in sets.items():
                pipeline.zadd(key, members)
            pipeline.execute()


@dataclass(frozen=True, slots=True)
class _Template:
    """The text of a transaction with a mark in the place of what differs."""

    marked: str
    card: str

    def text(self, **values: Any) -> str:
        text = self.marked
        for name, value in values.items():
            text = text.replace(f'"<{name}>"', json.dumps(value))
        return text


def _template(client: redis.Redis, name: str) -> _Template:
    head, _, memo = str(client.get(str(keys.of_transaction(name)))).partition("\n")
    fields, about = json.loads(head), json.loads(memo)
    card = fields["card"]
    fields |= {"card": "<card>", "request_id": "<request_id>", "date": "<date>"}
    if "expires_at" in fields:
        fields["expires_at"] = "<ends>"
    about["order_id"] = "<order>"
    return _Template(f"{json.dumps(fields)}\n{json.dumps(about)}", card)


def pages(card: str, transaction: str) -> list[str]:
    """Return the addresses of all pages, and of what people look for most."""
    return [
        "/",
        "/attention",
        "/attention?kind=unresolved",
        "/attention?kind=expiring",
        "/transactions",
        "/transactions?state=closed",
        "/transactions?state=authorized&provider=acme",
        "/transactions?state=declined",
        "/transactions?state=unresolved",
        "/transactions?name=1500000000123-01",
        "/transactions?name=0000123-0",
        f"/transactions?name={transaction[:12]}",
        f"/transactions?provider=acme&card={card}",
        f"/transactions/{transaction}",
        f"/cards?provider=acme&card={card}",
        "/cards/refused",
        "/providers",
        "/reconciliation",
        "/activity",
        "/report",
        "/people",
        "/account",
    ]


def look(client: FlaskClient, storage: redis.Redis, path: str, rounds: int = ROUNDS) -> Looked:
    """Ask for a page, and count what it took. No other may use this Redis."""
    client.get(path)  # what is made once, is made
    before, took, status = _asked(storage), [], 0
    for _ in range(rounds):
        began = time.perf_counter()
        status = client.get(path).status_code
        took.append(time.perf_counter() - began)
    read, commands = (now - then for now, then in zip(_asked(storage), before, strict=True))
    return Looked(path, status, statistics.median(took) * 1000, read // rounds, commands // rounds)


def _asked(storage: redis.Redis) -> tuple[int, int]:
    """Return how many values were read, and how many commands Redis ran, without this one."""
    told: dict[str, Any] = storage.info("commandstats")
    calls = {name: int(one["calls"]) for name, one in told.items() if name != "cmdstat_info"}
    return calls.get("cmdstat_get", 0), sum(calls.values())


def visitor(parts: Parts) -> FlaskClient:
    """Return the client of an owner who is signed in."""
    users.add(parts, "bench", Role.OWNER)
    client = create_console(parts).test_client()
    with client.session_transaction() as session:
        session[SECRET] = sessions.begin(parts, "bench", "127.0.0.1", "bench")
    return client


def pay(parts: Parts, order: str, settled: int = 0) -> tuple[str, str]:
    """Pay an order; return the ids of its card and its transaction."""
    provider = parts.registry.get("acme")
    if provider is None:
        raise LookupError("acme")
    (card,) = provider.mapper.find(Query(code=CODE), Deadline.after(5))
    request = AuthorizationRequest(card.id, Operation.DEBIT, 100, order, order_id=order)
    transaction = parts.ledger.authorize(provider, request, Deadline.after(5))
    if settled:
        change = ChangeRequest(card.id, transaction, settled, f"settle-{order}")
        parts.ledger.settle(provider, change, Deadline.after(5))
    return card.id, transaction


def measured(count: int) -> Iterator[Looked]:
    """Yield what each page costs with so many transactions kept, on a Redis of their own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(EmbeddedRedis(folder / "data")).url
        backend = stack.enter_context(running(sandbox.create_app()))
        (folder / "providers.toml").write_text(PROVIDERS.format(url=backend.url, key=sandbox.API_KEY))
        parts = build(Settings(redis_url=url), Registry.load(folder / "providers.toml"), url)
        stack.callback(parts.connection.close)
        storage = stack.enter_context(redis.Redis.from_url(url, decode_responses=True))
        card, reserved = pay(parts, "order-1")
        over = pay(parts, "order-2", 100)[1]
        fill(parts, storage, (reserved, over), count)
        client = visitor(parts)
        for path in pages(card, reserved):
            yield look(client, storage, path)


@click.command()
@click.option("--transactions", default=100_000, show_default=True, help="So many are kept.")
def main(transactions: int) -> None:
    """Write transactions, and print what each page of the console takes: milliseconds, values read, commands."""
    click.echo("| page | status | ms | read | commands |\n|---|---|---|---|---|")
    for one in measured(transactions):
        click.echo(f"| `{one.path}` | {one.status} | {one.milliseconds:.0f} | {one.read} | {one.commands} |")


if __name__ == "__main__":
    main()
