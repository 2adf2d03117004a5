"""What `giftbridge demo` shows: the service before the sandboxes, and the calls to try on it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import click

import mappers.sandbox
from app.admin.demo import USER, Demo, Sandbox
from app.admin.people import users
from app.admin.people.users import Role
from app.console import PATH
from app.parts import build
from app.server.embedded import EmbeddedRedis
from app.server.serve import probe_address, serve
from app.settings import PREFIX, Settings, variable
from mappers.memory import mapper as memory
from mappers.registry import sandbox
from providers.registry import Registry

DEFAULT_PORT = 8080

# They open nothing but play money on this machine.
APP_KEY = "demo-key"
APP_TOKEN = "demo-token"  # noqa: S105

# The provider before each sandbox backend.
PROVIDERS = {
    "demo-lightrail": "lightrail_v2",
    "demo-vauchar": "vauchar",
    "demo-lightrail-v1": "lightrail_v1",
    "demo-lightrail-draft": "lightrail_draft",
    "demo-voucherify": "voucherify",
    "demo-vtex": "vtex_giftcards",
}

# Where a code has a PIN, shoppers type both into one field. No code of that sandbox has this sign in it.
PIN_SEPARATORS = {"demo-lightrail-v1": ":"}

# Needs no sandbox: its cards live in the service itself.
MEMORY = "demo-memory"

# The backend's card that the first story spends from.
STORY_CODES = {"demo-lightrail": "LIGHT-ACTIVE-100", "demo-vauchar": "VAUCHAR-ACTIVE-100"}


def run_demo(port: int, *, verbose: bool = False) -> int:
    """Serve the demo on 127.0.0.1:`port` until told to stop; return the exit code. Nothing of it is kept."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    with ExitStack() as running:
        directory = Path(running.enter_context(TemporaryDirectory(prefix="giftbridge-demo-")))
        urls = {
            provider: running.enter_context(
                mappers.sandbox.running(sandbox(backend).create_app(), _free_port(backend))
            ).url
            for provider, backend in PROVIDERS.items()
        }
        file = directory / "providers.toml"
        tables = [
            provider_table(name, PROVIDERS[name], sandbox(PROVIDERS[name]).DEMO_OPTIONS(url))
            for name, url in urls.items()
        ]
        file.write_text("\n".join([*tables, provider_table(MEMORY, "memory", {})]))
        played = directory / "demo.json"
        Demo(APP_KEY, APP_TOKEN, {name: _sandbox(name, url) for name, url in urls.items()}).write(played)
        os.environ[variable("demo")] = str(played)
        os.environ[variable("providers")] = str(file)
        os.environ[variable("data")] = str(directory)
        os.environ[variable("bind")] = f"127.0.0.1:{port}"
        os.environ[variable("workers")] = "1"  # each would have a memory of its own
        os.environ[variable("log_level")] = "WARNING"
        os.environ[variable("log_format")] = "console"
        settings = Settings.from_environment()

        def say() -> None:
            if verbose:
                click.echo(f"{everything(port, urls)}\n")
            click.echo(welcome(port, _way_in(settings)))

        return serve(settings, when_ready=say)


def _sandbox(provider: str, url: str) -> Sandbox:
    return Sandbox(f"{url}{mappers.sandbox.CONTROL}", sandbox(PROVIDERS[provider]).SEEDS)


def _way_in(settings: Settings) -> str:
    """Make the one user of the demo's console; return the secret of the link that lets them in."""
    parts = build(settings, Registry.load(settings.providers), EmbeddedRedis(settings.data).url)
    with closing(parts.connection):
        return users.add(parts, USER, Role.OWNER)


def provider_table(provider: str, mapper: str, options: Mapping[str, str]) -> str:
    """Return the tables of a demo provider."""
    lines = [
        f"[{provider}]",
        f'caption = "Gift cards from {mapper}"',
        'currency = "BRL"',
        f'mapper = "{mapper}"',
        *(f'pin_separator = "{sign}"' for name, sign in PIN_SEPARATORS.items() if name == provider),
        f"[[{provider}.credentials]]",
        f'app_key = "{APP_KEY}"',
        f'app_token = "{APP_TOKEN}"',
        f"[{provider}.options]",
        *(f"{name} = {json.dumps(value)}" for name, value in options.items()),
    ]
    return "\n".join([*lines, ""])


def welcome(port: int, secret: str) -> str:
    """Return what a newcomer needs first, on one screen: the page to open, a code to type, a call to paste."""
    provider, code = next(iter(STORY_CODES.items()))
    return f"""\
giftbridge runs with play money. Ctrl-C stops everything, and nothing is kept.

Open this in a browser on this machine; it signs you in, once:

http://127.0.0.1:{port}{PATH}/in/{secret}

There you play VTEX's checkout with this code of a gift card:

  {code}

Search, pay, lose an answer, let VTEX retry, settle, refund: beside it you see
what VTEX was told, what the ledger wrote, and what the backend has.

Or be VTEX in another shell: this asks for the balance of that card.

curl -sS http://127.0.0.1:{port}/{provider}/giftcards/_search \\
  -H 'X-PROVIDER-API-AppKey: {APP_KEY}' \\
  -H 'X-PROVIDER-API-AppToken: {APP_TOKEN}' \\
  -d '{{"client": {{}}, "cart": {{"redemptionCode": "{code}"}}}}'

All codes, and calls that pay and refund: giftbridge demo --verbose"""


def everything(port: int, urls: Mapping[str, str]) -> str:
    """Return all there is to paste: credentials, codes, and calls."""
    address = f"http://127.0.0.1:{port}"
    lines = [f"giftbridge serves {address}.", ""]
    lines += ["Every call carries:", f"  X-PROVIDER-API-AppKey: {APP_KEY}", f"  X-PROVIDER-API-AppToken: {APP_TOKEN}"]
    for provider, url in urls.items():
        lines += ["", f"{provider} ({address}/{provider}), its backend at {url}, with these codes:"]
        lines += codes(sandbox(PROVIDERS[provider]).SEEDS)
        if sign := PIN_SEPARATORS.get(provider):
            lines += [f"  A PIN is typed behind its code: CODE{sign}PIN"]
    lines += ["", f"{MEMORY} ({address}/{MEMORY}), its cards in the service itself, with these codes:"]
    lines += codes({code: _described(code, units, status, owner) for code, units, status, owner in memory.SEEDS})
    first, second = STORY_CODES.items()
    lines += ["", "A shopper pays 60.00, the store settles 40.00 and gives 20.00 back. Paste this into another shell,"]
    lines += ["as often as you like: under the same requestId money moves once.", ""]
    lines += [story(address, *first), ""]
    lines += ["A lost answer: the backend holds the money, but its answer does not arrive. Paste this, then the calls"]
    lines += ["above with another REQUEST: it is found, and held once.", "", lost_answer(urls[first[0]]), ""]
    lines += [f"The same with another backend: start with PROVIDER={second[0]} CODE={second[1]}"]
    return "\n".join(lines)


def _described(code: str, units: int, status: str, owner: str | None) -> str:
    once = ", may be used once" if code == memory.SINGLE_USE else ""
    return f"{status}, {units}.00 BRL{once}" + (f", a search for {owner} shows it without a code" if owner else "")


def codes(seeds: Mapping[str, str]) -> list[str]:
    """Return a line for each code: what its card is."""
    width = max(map(len, seeds))
    return [f"  {code:{width}}  {description}" for code, description in seeds.items()]


def story(address: str, provider: str, code: str) -> str:
    """Return shell lines that search, authorize, settle, cancel and list: for any POSIX shell with curl and sed."""
    return f"""\
PROVIDER={provider} CODE={code}
REQUEST=order-1
call() {{ at=$1; shift; curl -sS -H 'X-PROVIDER-API-AppKey: {APP_KEY}' -H 'X-PROVIDER-API-AppToken: {APP_TOKEN}' \
-H 'Content-Type: application/json' "$@" "{address}/$PROVIDER/giftcards$at"; echo; }}
its_id() {{ tee -a /dev/stderr | sed -n 's/.*"id": *"\\([^"]*\\)".*/\\1/p'; }}
CARD=$(call /_search -d "{{\\"client\\": {{}}, \\"cart\\": {{\\"redemptionCode\\": \\"$CODE\\"}}}}" | its_id)
call /$CARD
TRANSACTION=$(call /$CARD/transactions \
-d "{{\\"operation\\": \\"Debit\\", \\"value\\": 60.0, \\"requestId\\": \\"$REQUEST\\"}}" | its_id)
call /$CARD/transactions/$TRANSACTION/settlements -d "{{\\"value\\": 40.0, \\"requestId\\": \\"$REQUEST-settle\\"}}"
call /$CARD/transactions/$TRANSACTION/cancellations -d "{{\\"value\\": 20.0, \\"requestId\\": \\"$REQUEST-cancel\\"}}"
call /$CARD/transactions/$TRANSACTION/settlements
call /$CARD/transactions/$TRANSACTION/cancellations
call /$CARD/transactions
call /$CARD"""


def lost_answer(backend: str) -> str:
    """Return a shell line that makes a sandbox lose its next answer to a call that moves money."""
    fault = json.dumps({"kind": "drop_after", "method": "POST", "path": "/transactions"})
    return f"curl -sS -d '{fault}' {backend}{mappers.sandbox.CONTROL}faults"


def _free_port(backend: str) -> int:
    usual: int = sandbox(backend).DEFAULT_PORT
    try:
        return probe_address("127.0.0.1", usual)
    except OSError:
        port = probe_address("127.0.0.1", 0)
        click.echo(f"Port {usual} is taken, so the sandbox for {backend} listens on {port}.", err=True)
        return port
