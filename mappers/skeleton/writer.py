"""Writes the files of a new mapper, in this repository or as a package of its own."""

from __future__ import annotations

import keyword
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from zlib import crc32

import mappers
from mappers.registry import BUILT_IN

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")

# Sandboxes of skeletons listen on one of these ports, so that two of them seldom meet.
FIRST_PORT = 28800
PORTS = 1000

IMPORT = re.compile(r"^from (mappers\.\S+) import ([^(\n]+|\([^)]*\))\n", re.MULTILINE)
IMPORTS = re.compile(r"(?:^from mappers\.[^(\n]+(?:\([^)]*\))?\n\n?)+", re.MULTILINE)

# Where a package finds what a built-in mapper imports from these modules; all else is in `giftbridge.mapper`.
FACADE = {
    "mappers.conformance": "giftbridge.testing",
    "mappers.parsing": "giftbridge.parsing",
    "mappers.sandbox": "giftbridge.sandbox",
}
LINE_LENGTH = 120

# It comes with giftbridge, so that whoever writes a package has it.
GUIDE = Path(mappers.__file__).with_name("README.md")

IN_TREE_STEPS = """\
Add this line to BUILT_IN in mappers/registry.py, so that providers can name it:
    "{name}": "{package}.mapper:{class_name}",
Then let its tests tell what to write (make install-dev brings pytest):
    .venv/bin/python -m pytest -x tests/conformance/test_{name}.py
{guide} says what is to be decided."""

PACKAGE_STEPS = """\
Install it into giftbridge's environment, where `giftbridge mappers` lists it:
    pip install --editable '{distribution}[test]'
Then let its tests tell what to write:
    cd {distribution} && python -m pytest -x
{guide} says what is to be decided."""

PACKAGE_START = """
```
pip install giftbridge {distribution}
giftbridge mappers
```
"""


# What the templates say where the backend reserves money, and where it only takes it.
WITH_HOLDS = {
    "holds": "Holds.NATIVE",
    "holds_note": "",
    "holds_row": "| hold, capture, void | |\n",
    "act": "",
    "facts": "",
    "plan_import": "",
    "plan": "",
    "acts_on": "capture and void the hold",
    "one": "hold",
    "kept": "holds",
    "kept_help": "`holds` are its pending holds, by key, and no longer in the balance.",
    "needs_active": '"hold", "debit", "credit"',
    "moves": """\
                case "hold":
                    card.take(amount)
                    card.holds[key] = amount
                case "debit":
                    card.take(amount)
                case "credit":
                    card.balance += amount
                case "capture":
                    card.lower_hold(wanted["hold"], amount)
                case "void":
                    card.lower_hold(wanted["hold"], amount)
                    card.balance += amount
""",
}
WITHOUT_HOLDS = {
    "holds": "Holds.LEDGER",
    "holds_note": "  # turn them round where its cards are spent elsewhere, too",
    "holds_row": "",
    "act": "    Act,\n",
    "facts": "    TransactionFacts,\n",
    "plan_import": "from mappers.redemptions import plan_refund_per_redemption\n",
    "plan": '''\
    def plan(self, act: Act, transaction: TransactionFacts) -> Sequence[Step]:
        """Take at settlement, and give back redemption by redemption.

        `parts`: a part of a redemption can be given back. Else the rest is a REFUND without a reference: value added.
        """
        return plan_refund_per_redemption(act, transaction, parts=True)

''',
    "acts_on": "refund the redemption",
    "one": "redemption",
    "kept": "redemptions",
    "kept_help": "`redemptions` are what was taken and not given back, by key.",
    "needs_active": '"debit", "credit"',
    "moves": """\
                case "debit":
                    card.take(amount)
                    card.redemptions[key] = amount
                case "credit":
                    card.balance += amount
                case "refund":
                    card.lower_redemption(wanted["redemption"], amount)
                    card.balance += amount
""",
}


class CannotWrite(Exception):
    """No skeleton can be written so; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The files of a new mapper, by their path below the folder they are written into."""

    files: Mapping[Path, str]
    next_steps: str
    in_tree: bool

    @classmethod
    def of(cls, name: str, *, package: bool, holds: bool = True) -> Skeleton:
        """Return the skeleton of a mapper called `name`, for a backend with or without holds.

        Raises CannotWrite for a name that no mapper can have.
        """
        if not NAME.fullmatch(name) or keyword.iskeyword(name):
            raise CannotWrite(f"{name!r} cannot be a mapper's name: use small letters, digits and _, a letter first")
        if name in BUILT_IN:
            raise CannotWrite(f"{name} is built in: choose another name")
        title = name.replace("_", " ").title()
        words = {
            "name": name,
            "title": title,
            "class_name": title.replace(" ", ""),
            "prefix": name.upper().replace("_", "-"),
            "port": str(FIRST_PORT + crc32(name.encode()) % PORTS),
            "package": f"giftbridge_{name}" if package else f"mappers.{name}",
            "distribution": f"giftbridge-{name.replace('_', '-')}",
        }
        words |= WITH_HOLDS if holds else WITHOUT_HOLDS
        words["getting_started"] = PACKAGE_START.format(**words) if package else ""
        paths = _package_paths(words) if package else _in_tree_paths(words)
        words["guide"] = str(GUIDE) if package else "mappers/README.md"
        steps = PACKAGE_STEPS if package else IN_TREE_STEPS
        imports = _from_facade if package else _in_order
        rendered = {path: _rendered(template, words, imports) for path, template in paths.items()}
        return cls(rendered, steps.format(**words), in_tree=not package)

    def write(self, folder: Path) -> list[Path]:
        """Write the files below `folder` and return their paths. Raises CannotWrite, before anything is written."""
        if self.in_tree and not (folder / "mappers" / "registry.py").is_file():
            raise CannotWrite("this folder is not giftbridge's repository: go there, or add --package")
        for path in self.files:
            if (folder / path).exists():
                raise CannotWrite(f"{path} is there already: choose another name, or move it away")
        for path, text in self.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, "utf-8")
        return list(self.files)


def _in_tree_paths(words: Mapping[str, str]) -> dict[Path, str]:
    own = Path("mappers") / words["name"]
    return {
        own / "__init__.py": "__init__.py",
        own / "client.py": "client.py",
        own / "mapper.py": "mapper.py",
        own / "sandbox.py": "sandbox.py",
        own / "README.md": "README.md",
        Path("tests") / "conformance" / f"test_{words['name']}.py": "test.py",
    }


def _package_paths(words: Mapping[str, str]) -> dict[Path, str]:
    top = Path(words["distribution"])
    own = top / "src" / words["package"]
    return {
        top / "pyproject.toml": "pyproject.toml",
        top / "README.md": "README.md",
        own / "__init__.py": "__init__.py",
        own / "client.py": "client.py",
        own / "mapper.py": "mapper.py",
        own / "sandbox.py": "sandbox.py",
        top / "tests" / f"test_{words['name']}.py": "test.py",
    }


def _rendered(template: str, words: Mapping[str, str], imports: Callable[[re.Match[str]], str]) -> str:
    source = files("mappers.skeleton") / "templates" / f"{template}.template"
    return IMPORTS.sub(imports, Template(source.read_text("utf-8")).substitute(words))


def _in_order(block: re.Match[str]) -> str:
    """Return imports in the order of their names: in this repository the new mapper's own stand among the others."""
    lines = sorted(found[0] for found in IMPORT.finditer(block[0]))
    return "".join(lines) + _end(block)


def _from_facade(block: re.Match[str]) -> str:
    """Return the same imports as a package writes them: it may import nothing of giftbridge but `giftbridge`."""
    names: dict[str, set[str]] = defaultdict(set)
    for found in IMPORT.finditer(block[0]):
        names[FACADE.get(found[1], "giftbridge.mapper")] |= set(re.findall(r"\w+", found[2]))
    return "".join(_import(module, names[module]) for module in sorted(names)) + _end(block)


def _import(module: str, names: Iterable[str]) -> str:
    """Return an import as ruff sorts and formats it: constants, classes, functions."""
    ordered = sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
    line = f"from {module} import {', '.join(ordered)}\n"
    if len(line) <= LINE_LENGTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in ordered) + ")\n"


def _end(block: re.Match[str]) -> str:
    """Return the empty line after a block, which stays where it is."""
    return "\n" if block[0].endswith("\n\n") else ""
