"""The shapes of what commands print with `--json`: the names in them, and whether a value has its shape."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Required, Union

import click

from app.commands.cli import main
from app.commands.output import JsonOption


def of_command(arguments: Sequence[str]) -> Any:
    """Return the shape that the command called with these arguments prints with `--json`; None without that option."""
    command: click.Command = main
    for word in arguments:
        found = command.get_command(click.Context(command), word) if isinstance(command, click.Group) else None
        command = found or command
    return next((parameter.shape for parameter in command.params if isinstance(parameter, JsonOption)), None)


def printed(text: str, arguments: Sequence[str]) -> Any:
    """Return what a command called with these arguments and `--json` printed; it has its shape."""
    value = json.loads(text, parse_float=Decimal)
    assert not misfits(value, of_command(arguments))
    return value


def names(shape: Any, path: str = "") -> Iterator[str]:
    """Yield each name in a shape by its path, such as `users[].name`; `*` stands for names that are data."""
    for part, inner in _parts(shape):
        yield from names(inner, path + part)
    if fields := _fields(shape):
        for name, (hint, _) in fields.items():
            yield f"{path}.{name}".lstrip(".")
            yield from names(hint, f"{path}.{name}")


def misfits(value: Any, shape: Any, path: str = "") -> list[str]:
    """Return where a value from JSON is not what its shape says; nothing where it fits."""
    if typing.get_origin(shape) in (Union, types.UnionType):
        tries = [misfits(value, one, path) for one in typing.get_args(shape)]
        return [] if [] in tries else min(tries, key=len)
    if fields := _fields(shape):
        if not isinstance(value, dict):
            return [f"{path} is no object"]
        missing = [f"{path}.{name} is missing" for name, (_, needed) in fields.items() if needed and name not in value]
        unknown = [f"{path}.{name} is not in the shape" for name in value if name not in fields]
        inside = [fields[name][0] for name in value if name in fields]
        found = zip([name for name in value if name in fields], inside, strict=True)
        return missing + unknown + [one for name, hint in found for one in misfits(value[name], hint, f"{path}.{name}")]
    for part, inner in _parts(shape):
        items = value if part == "[]" and isinstance(value, list) else None
        if part == ".*" and isinstance(value, dict):
            items = list(value.values())
        if items is None:
            return [f"{path} is not of {shape}"]
        return [one for item in items for one in misfits(item, inner, path + part)]
    return [f"{path} holds more than the shape says"] if isinstance(value, (dict, list)) else []


def _fields(shape: Any) -> dict[str, tuple[Any, bool]]:
    """Return the fields of a dataclass or TypedDict: what each is, and whether it is always there."""
    if dataclasses.is_dataclass(shape):
        hints = typing.get_type_hints(shape)
        return {field.name: (hints[field.name], True) for field in dataclasses.fields(shape)}
    if typing.is_typeddict(shape):
        hints = typing.get_type_hints(shape, include_extras=True)
        return {name: (_bare(hint), not _may_lack(hint)) for name, hint in hints.items()}
    return {}


def _may_lack(hint: Any) -> bool:
    return typing.get_origin(hint) is typing.NotRequired


def _bare(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) in (typing.NotRequired, Required) else hint


def _parts(shape: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a list, tuple, mapping or union is made of, and how a path names it."""
    origin, inner = typing.get_origin(shape), typing.get_args(shape)
    if origin in (Union, types.UnionType):
        yield from (("", one) for one in inner)
    elif isinstance(origin, type) and issubclass(origin, Mapping):
        yield ".*", inner[1]
    elif isinstance(origin, type) and issubclass(origin, Sequence):
        yield "[]", inner[0]
