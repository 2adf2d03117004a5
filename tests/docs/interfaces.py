"""What other people build on, one line each: kept in interfaces.txt, so that none goes without a new version.

`make tables` writes the file. It adds what is new; it refuses to drop what a release of the same major version has.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Iterator

import click

from app import create_app
from app.commands.output import JsonOption
from app.ledger.storage.packing import VERSION_OF_TEXT
from app.ledger.storage.records import FORMAT_OF_HASHES, VERSION
from app.protocol.errors import STATUSES
from app.server.metrics import catalog
from app.settings import Settings, documentation
from giftbridge import __version__
from mappers.base import option_names
from mappers.registry import BUILT_IN, load
from providers.certify import plan
from providers.registry import KEYS, Registry
from tests.docs import shapes
from tests.docs.documents import ROOT
from tests.docs.tables import every_command

KEPT = ROOT / "docs" / "interfaces.txt"


class Broken(Exception):
    """Something that people build on is gone, or asks for more. The message names it."""


def lines() -> list[str]:
    """Return every line, sorted."""
    makers = (_calls, _errors, _settings, _commands, _providers, _facade, _checks, _metrics, _formats)
    return sorted({line for made in makers for line in made()})


def broken(before: list[str], now: list[str]) -> list[str]:
    """Return what breaks somebody: lines that are gone, and what is new and required of something that was there."""
    owners = {line.partition(": ")[0] for line in before}
    gone = [line for line in before if line not in now]
    asked = [
        line for line in now if line not in before and line.endswith(" required") and line.partition(": ")[0] in owners
    ]
    return gone + asked


def kept() -> tuple[str, list[str]]:
    """Return the version that wrote the file, and its lines."""
    version, *found = KEPT.read_text().splitlines()
    return version.removeprefix("version "), found


def text() -> str:
    """Return what the file should hold. Raises Broken."""
    now, version = lines(), __version__
    before_version, before = kept()
    if _major(version) == _major(before_version) != "0" and (found := broken(before, now)):
        raise Broken("\n".join(found))
    return "\n".join([f"version {version}", *now, ""])


def _major(version: str) -> str:
    return version.partition(".")[0]


def _calls() -> Iterator[str]:
    app = create_app(Settings(), Registry({}))
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield f"call {method} {rule.rule}"


def _errors() -> Iterator[str]:
    yield from (f"error {status} {code}" for status, code in STATUSES.values())


def _settings() -> Iterator[str]:
    yield from (f"setting {name}" for name, _, _ in documentation())


def _commands() -> Iterator[str]:
    for context in every_command():
        yield f"command {context.command_path}"
        for parameter in context.command.params:
            needs = " required" if parameter.required else ""
            if isinstance(parameter, click.Option):
                yield f"command {context.command_path}: {max(parameter.opts, key=len)}{needs}"
            else:
                yield f"command {context.command_path}: {str(parameter.name).upper()}{needs}"
            if isinstance(parameter, JsonOption):
                yield from (f"json of {context.command_path}: {name}" for name in shapes.names(parameter.shape))


def _providers() -> Iterator[str]:
    for table, keys in KEYS.items():
        yield from (f"provider {table + '.' if table else ''}{key}" for key in keys)
    for name in BUILT_IN:
        required, optional = option_names(load(name).Options)
        yield from (f"mapper {name}: {option} required" for option in required)
        yield from (f"mapper {name}: {option}" for option in optional)


def _facade() -> Iterator[str]:
    for name in ("mapper", "parsing", "sandbox", "testing"):
        module = importlib.import_module(f"giftbridge.{name}")
        for public in module.__all__:
            yield from _members(f"python giftbridge.{name}.{public}", getattr(module, public))


def _members(path: str, value: object) -> Iterator[str]:
    yield path
    if inspect.isclass(value):
        if dataclasses.is_dataclass(value):
            yield from (f"{path}: {one.name}" for one in dataclasses.fields(value) if not one.name.startswith("_"))
        for name, member in vars(value).items():
            if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, (property, classmethod))):
                yield f"{path}.{name}"
                if inspect.isfunction(member):
                    yield from _parameters(f"{path}.{name}", member)
    elif inspect.isfunction(value):
        yield from _parameters(path, value)


def _parameters(path: str, function: object) -> Iterator[str]:
    for name, parameter in inspect.signature(function).parameters.items():  # type: ignore[arg-type]
        if name != "self" and not name.startswith("_"):
            yield f"{path}: {name}{' required' if parameter.default is parameter.empty else ''}"


def _checks() -> Iterator[str]:
    yield from (f"check {one.number}" for one in plan.PLAN)


def _metrics() -> Iterator[str]:
    for metric in catalog.CATALOG:
        yield f"metric {metric.name}"
        yield from (f"metric {metric.name}: {label}" for label in metric.labels)


def _formats() -> Iterator[str]:
    yield from (f"stored format {number} is read" for number in (FORMAT_OF_HASHES, VERSION_OF_TEXT, VERSION))


if __name__ == "__main__":
    try:
        KEPT.write_text(text())
    except Broken as error:
        raise SystemExit(f"these are gone or ask for more; they need a new major version:\n{error}") from None
