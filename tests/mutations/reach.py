"""Which tests could notice the loss of a guard: those that have it another value than what stands there without it.

All tests run once, in a copy of the project whose guards report what they are.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tests.mutations.guards import Guard
from tests.mutations.recorder import FILE
from tests.mutations.tree import ROOT, copy_project

# Of each guard, in turn: which tests had it true, false, and another value that counts as true.
Values = dict[str, dict[str, list[str]]]


def reached_by(guard: Guard, values: Values) -> list[str]:
    """Return the tests that could notice the change, those that ask the fewest guards first."""
    of_guard = values.get(_label(guard), {})
    kinds = ("false", "other") if guard.replacement.lower() == "true" else ("true", "other")
    return list(dict.fromkeys(test for kind in kinds for test in of_guard.get(kind, [])))


def values_of(guards: Sequence[Guard], tests: Sequence[str]) -> Values:
    """Return what the guards are in each of the tests: as it was found before, where nothing has changed since."""
    kept = ROOT / "build" / "tests.mutations.reach.json"
    digest = _digest(("app", "mappers", "providers", "tests"))
    if kept.exists():
        of_digest, values = json.loads(kept.read_text())
        if of_digest == digest:
            return values  # type: ignore[no-any-return]
    values = _recorded(guards, tests)
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps([digest, values]))
    return values


def reporting(text: str, guards: Iterable[Guard]) -> str:
    """Return the text of a file in which its guards report."""
    openings: dict[int, list[tuple[int, str]]] = defaultdict(list)
    closings: Counter[int] = Counter()
    for start, end, label, truth in {(guard.start, guard.end, _label(guard), guard.truth) for guard in guards}:
        openings[start].append((-end, f"noting('{label}', {truth}("))
        closings[end] += 1
    parts, before = [], 0
    for place in sorted({*openings, *closings}):
        parts += [text[before:place], "))" * closings[place], *(opening for _, opening in sorted(openings[place]))]
        before = place
    return "".join(parts) + text[before:]


def _label(guard: Guard) -> str:
    return f"{guard.file}:{guard.start}:{guard.end}"


def _recorded(guards: Sequence[Guard], tests: Sequence[str]) -> Values:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder)
        for file in {guard.file for guard in guards}:
            _change(folder / file, lambda text, file=file: reporting(text, (one for one in guards if one.file == file)))  # type: ignore[misc]
            if file.endswith(".py"):
                _change(folder / file, lambda text: f"{text}\nfrom tests.mutations.recorder import noting\n")
        _change(
            folder / "app/ledger/storage/connection.py",
            lambda text: (
                f"{text}\nfrom tests.mutations.recorder import reporting\n"
                "Connection.script = reporting(Connection.script)\n"
            ),
        )
        seen = folder / "seen.txt"
        seen.touch()
        processes = ["-n", str(os.cpu_count()), "--dist", "loadfile", "-p", "no:cacheprovider", "--tb=line"]
        subprocess.run(
            [sys.executable, "-m", "pytest", *processes, *tests],
            cwd=folder,
            env=os.environ | {FILE: str(seen)},
            check=False,  # some tests read the scripts' text, which is another one
        )
        return read(seen.read_text().splitlines())


def read(lines: Sequence[str]) -> Values:
    noted = {tuple(line.split("\t")) for line in lines}
    asked = Counter(test for test, _, _ in noted)
    values: Values = defaultdict(lambda: defaultdict(list))
    for test, guard, value in sorted(noted, key=lambda line: (asked[line[0]], line)):
        if test:
            values[guard][value].append(test)
    return values


def _change(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))


def _digest(folders: Sequence[str]) -> str:
    files = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".lua"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(files))).hexdigest()
