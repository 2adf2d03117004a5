"""How a mistake in the providers file is told: the file, the table, the key, and what to do about it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from providers.secret_files import UnusableSecret, read_secret

# Where something stands in the file: table names, keys, and positions in arrays.
Place = tuple[str | int, ...]

# Before the path of a secret's file, in a reference.
FILE = "file:"

_REFERENCE = re.compile(r"\$\{([^}]*)\}")


class InvalidProviders(ValueError):
    """The providers file cannot be used. `problems` has one line for each mistake, fit to be shown; none holds a value
    that may be secret."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Problems:
    """The mistakes found in one file so far, at most one for each place."""

    def __init__(self, file: str | os.PathLike[str]) -> None:
        self._file = os.fspath(file)
        self._messages: dict[Place, str] = {}

    def add(self, place: Place, message: str) -> None:
        """Note what is wrong at `place` and what to do. The first message for a place stays."""
        self._messages.setdefault(place, message)

    def within(self, *place: str | int) -> bool:
        """Tell whether anything is wrong at `place` or in the table there."""
        return any(known[: len(place)] == place for known in self._messages)

    def check(self) -> None:
        """Raise InvalidProviders if there is any mistake."""
        if self._messages:
            raise InvalidProviders(
                ": ".join(part for part in (self._file, describe(place), message) if part)
                for place, message in self._messages.items()
            )


def describe(place: Place) -> str:
    """Return a place as the file spells it: `[acme.policy] holds`, `[[acme.credentials]] number 2, app_key`."""
    match place:
        case ():
            return ""
        case (str(), str(), *_):
            *table, key = place
        case _:
            table, key = list(place), ""
    numbers = [part for part in table if isinstance(part, int)]
    name = ".".join(part for part in table if isinstance(part, str))
    if numbers:
        return f"[[{name}]] number {numbers[-1] + 1}" + (f", {key}" if key else "")
    if isinstance(key, int):
        return f"[[{name}]] number {key + 1}"
    return f"[{name}] {key}".rstrip()


def suggest(word: str, known: Iterable[str]) -> str:
    """Return ` - did you mean "..."?` for a near miss, else the words that are known."""
    words = sorted(known)
    close = get_close_matches(word, words, n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    return "the known ones are: " + ", ".join(words) if words else "there are none"


def substitute(value: Any, environment: Mapping[str, str], problems: Problems, place: Place = ()) -> Any:
    """Return `value` with every reference in its strings replaced, at any depth.

    ${NAME} is a variable of the environment, ${file:/PATH} the secret in a file.
    """
    match value:
        case dict():
            return {key: substitute(inner, environment, problems, (*place, key)) for key, inner in value.items()}
        case list():
            return [substitute(inner, environment, problems, (*place, index)) for index, inner in enumerate(value)]
        case str():

            def replacement(match: re.Match[str]) -> str:
                name = match[1]
                if name.startswith(FILE):
                    try:
                        return read_secret(name.removeprefix(FILE))
                    except UnusableSecret as error:
                        problems.add(place, f"the file {error}")
                        return ""
                if not environment.get(name):
                    problems.add(place, f"the environment variable {name or '(no name)'} is not set or empty: set it")
                return environment.get(name, "")

            return _REFERENCE.sub(replacement, value)
        case _:
            return value
