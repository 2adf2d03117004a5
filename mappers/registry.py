"""Which mappers there are, by the name that a provider's configuration uses."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from mappers.base import Mapper

# Imported when a provider asks for one, so that a backend nobody uses costs nothing.
BUILT_IN = {
    "lightrail_v2": "mappers.lightrail_v2.mapper:LightrailV2",
    "memory": "mappers.memory.mapper:Memory",
    "vauchar": "mappers.vauchar.mapper:Vauchar",
}


class UnknownMapper(LookupError):
    """There is no mapper of this name."""


def available() -> tuple[str, ...]:
    """Return the names of all mappers, in order."""
    return tuple(sorted(BUILT_IN))


def load(name: str) -> type[Mapper]:
    """Return the mapper class called `name`. Raises UnknownMapper."""
    try:
        module, _, attribute = BUILT_IN[name].partition(":")
    except KeyError as error:
        raise UnknownMapper(name) from error
    mapper: type[Mapper] = getattr(import_module(module), attribute)
    return mapper


def sandboxes() -> tuple[str, ...]:
    """Return the names of the mappers that bring a stand-in for their backend."""
    return tuple(name for name in available() if find_spec(_sandbox(name)))


def sandbox(name: str) -> ModuleType:
    """Return the stand-in's module: `create_app`, `SEEDS`, `DEFAULT_PORT` and `DEMO_OPTIONS`."""
    return import_module(_sandbox(name))


def _sandbox(name: str) -> str:
    package, _, _ = BUILT_IN[name].rpartition(".")
    return f"{package}.sandbox"
