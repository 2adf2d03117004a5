"""Which mappers there are, by the name that a provider's configuration uses: built in, or brought by a package."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from itertools import accumulate
from types import ModuleType
from typing import Any

import structlog

from mappers.base import Holds, Mapper

log = structlog.get_logger()

# Imported when a provider asks for one, so that a backend nobody uses costs nothing.
BUILT_IN = {
    "lightrail_v1": "mappers.lightrail_v1.mapper:LightrailV1",
    "lightrail_v2": "mappers.lightrail_v2.mapper:LightrailV2",
    "lightrail_draft": "mappers.lightrail_draft.mapper:LightrailDraft",
    "memory": "mappers.memory.mapper:Memory",
    "vauchar": "mappers.vauchar.mapper:Vauchar",
    "voucherify": "mappers.voucherify.mapper:Voucherify",
    "vtex_giftcards": "mappers.vtex_giftcards.mapper:VtexGiftcards",
}

# The entry points with which an installed package brings mappers: name = "package.module:Class".
GROUP = "giftbridge.mappers"

DISTRIBUTION = "giftbridge"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a mapper comes from. `distribution` is None for a built-in; `problem` says why it cannot be used."""

    entry: EntryPoint
    distribution: str | None = None
    version: str | None = None
    problem: str | None = None

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def sandbox(self) -> str:
        """The module of the backend's sandbox, beside the mapper's."""
        package, _, _ = self.entry.module.rpartition(".")
        return f"{package}.sandbox" if package else "sandbox"

    def __str__(self) -> str:
        return f"{self.name} of {self.distribution} {self.version}" if self.distribution else self.name


class UnknownMapper(LookupError):
    """There is no mapper of this name."""


class BrokenMapper(Exception):
    """There is a mapper of this name, and it cannot be used; the message says whose it is, why, and what to do."""

    def __init__(self, source: Source, problem: str) -> None:
        remedy = f"repair or upgrade the package {source.distribution}" if source.distribution else "repair it"
        super().__init__(f"the mapper {source} cannot be used: {problem}; {remedy}")


def sources() -> tuple[Source, ...]:
    """Return where every mapper comes from, by name, those that cannot be used included; imports none of them."""
    own = _version(DISTRIBUTION)
    found = [Source(EntryPoint(name, path, GROUP), version=own) for name, path in sorted(BUILT_IN.items())]
    brought = sorted(map(_brought, entry_points(group=GROUP)), key=lambda source: (source.name, str(source)))
    names = [source.name for source in brought]
    for source in brought:
        problem = None
        if source.name in BUILT_IN:
            problem = f"{source.name} is built in, and a package cannot take its place"
        elif names.count(source.name) > 1:
            rivals = sorted(str(other.distribution) for other in brought if other.name == source.name)
            problem = f"{' and '.join(rivals)} all bring one of this name: uninstall all but one"
        found.append(replace(source, problem=problem))
    return tuple(found)


def source(name: str) -> Source:
    """Return where the mapper called `name` comes from. Raises UnknownMapper."""
    found = [candidate for candidate in sources() if candidate.name == name]
    if not found:
        raise UnknownMapper(name)
    for other in found[1:]:
        log.warning("a mapper is not used", mapper=name, package=other.distribution, reason=other.problem)
    return found[0]


def available() -> tuple[str, ...]:
    """Return the names of all mappers, in order."""
    return tuple(sorted({source.name for source in sources()}))


def load(name: str) -> type[Mapper]:
    """Return the mapper class called `name`. Raises UnknownMapper, BrokenMapper."""
    found = source(name)
    if found.problem:
        raise BrokenMapper(found, found.problem)
    try:
        mapper = found.entry.load()
    except (Exception, SystemExit) as error:
        raise BrokenMapper(found, f"importing it fails ({type(error).__name__}: {error})") from error
    if flaw := _flaw(mapper):
        raise BrokenMapper(found, flaw)
    loaded: type[Mapper] = mapper
    return loaded


def sandboxes() -> tuple[str, ...]:
    """Return the names of the mappers that bring a sandbox of their backend; imports none of them."""
    return tuple(source.name for source in sources() if not source.problem and _importable(source.sandbox))


def sandbox(name: str) -> ModuleType:
    """Return the sandbox's module: `create_app`, `SEEDS`, `DEFAULT_PORT` and `DEMO_OPTIONS`.

    Raises UnknownMapper, BrokenMapper.
    """
    found = source(name)
    try:
        return import_module(found.sandbox)
    except (Exception, SystemExit) as error:
        problem = f"importing its sandbox {found.sandbox} fails ({type(error).__name__}: {error})"
        raise BrokenMapper(found, problem) from error


def _brought(entry: EntryPoint) -> Source:
    distribution = entry.dist
    return Source(entry, distribution.name, distribution.version) if distribution else Source(entry, "?", "?")


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _flaw(mapper: Any) -> str | None:
    """Return why a class that was imported cannot be a mapper, None where it can."""
    if not (isinstance(mapper, type) and issubclass(mapper, Mapper)):
        return f"{mapper!r} is not a subclass of giftbridge.mapper.Mapper"
    if inspect.isabstract(mapper):
        return f"{mapper.__name__} does not write {', '.join(sorted(mapper.__abstractmethods__))}"
    holds = getattr(mapper, "supported_holds", ())
    if not holds or not all(isinstance(kind, Holds) for kind in holds):
        return f"{mapper.__name__}.supported_holds does not name the kinds of Holds it can do"
    if not dataclasses.is_dataclass(mapper.Options):
        return f"{mapper.__name__}.Options is not a dataclass"
    return None


def _importable(module: str) -> bool:
    """Tell whether there is such a module. Unlike importlib's find_spec this does not import the packages above it."""
    path: Any = None
    for name in accumulate(module.split("."), "{}.{}".format):
        finders = (finder.find_spec(name, path) for finder in sys.meta_path)
        try:
            spec = next((spec for spec in finders if spec is not None), None)
        except KeyError:  # a namespace package inside another one: it is not found before that one is imported
            import_module(name.rpartition(".")[0])
            spec = find_spec(name)
        if spec is None:
            return False
        path = spec.submodule_search_locations
    return True
