"""In a copy of the project whose guards report: notes which values they have while a test runs.

Each line of the file that GUARDS_SEEN names is a test, a guard and what it was: true, false, or another value that
counts as true.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

FILE = "GUARDS_SEEN"

T = TypeVar("T")

_noted: set[str] = set()

# A script tells with its answer what its guards were: so it writes nothing that it would not write otherwise.
_SCRIPT = """
local noted = {}
local function noting(guard, value)
  noted[guard .. '\\t' .. (value == true and 'true' or value and 'other' or 'false')] = true
  return value
end
local function script()
TEXT
end
local answer, guards = script(), {}
for guard in pairs(noted) do guards[#guards + 1] = guard end
return {answer, guards}
"""


def noting(guard: str, value: T) -> T:
    """Note a guard of a module, and return its value."""
    _note(f"{guard}\t{'true' if value is True else 'other' if value else 'false'}")
    return value


Run = Callable[..., Any]


def reporting(script: Callable[..., Run]) -> Callable[..., Run]:
    """Return Connection.script for scripts whose guards report."""

    def reporting_script(self: Any, text: str, *arguments: Any, **options: Any) -> Run:
        run = script(self, _SCRIPT.replace("TEXT", text), *arguments, **options)

        def reporting_run(*arguments: Any) -> Any:
            answer, guards = run(*arguments)
            for guard in guards:
                _note(guard if isinstance(guard, str) else guard.decode())
            return answer

        return reporting_run

    return reporting_script


def _note(guard: str) -> None:
    test, _, _ = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")
    line = f"{test}\t{guard}\n"
    if line not in _noted:
        _noted.add(line)
        with Path(os.environ[FILE]).open("a") as file:
            file.write(line)
