"""What a mapper can be told by a provider's configuration, and how secrets stay secret."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from mappers.errors import InvalidOptions

# What stands for the characters of a code that are not shown.
MASK = "****"


class Secret(str):
    """A string that hides itself in `repr`, so that no traceback or log shows it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"


def checked_key(option: str, value: str, kind: str) -> str:
    """Return a key that may be sent as a header. `kind` says which key it must be. Raises InvalidOptions.

    Left to HttpBackend, the message would not name the option.
    """
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise InvalidOptions(option, f"{option} must be {kind}: printable, without spaces")
    return str(value)


def mask_code(code: str) -> str:
    """Return `code` with all but its last characters hidden: four of them, fewer when the code is short."""
    shown = min(4, len(code) // 3)
    return MASK + (code[-shown:] if shown else "")


@dataclass(frozen=True, slots=True)
class NoOptions:
    """Options of a mapper that needs none."""


def option_names(options: type) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the required and the optional option names of a mapper's `Options` dataclass."""
    fields = dataclasses.fields(options)
    required = tuple(f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING)
    return required, tuple(f.name for f in fields if f.name not in required)
