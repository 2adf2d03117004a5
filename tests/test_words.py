"""One word for one thing, everywhere: old terms, other spellings and metaphors stay out of the tree."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("app", "bench", "deploy", "docs", "examples", "giftbridge", "mappers", "providers", "tests")
SUFFIXES = {".lua", ".md", ".py", ".service", ".template", ".toml"}
LIGHTRAIL = ("mappers/lightrail", "tests/mappers", "tests/simulation/lightrail", "docs/backends.md")

# What is banned, what to write instead, and where it may stand all the same.
BANNED: dict[str, tuple[str, tuple[str, ...]]] = {
    r"\b(embedded|durable) store\b|StoreUnavailable|EmbeddedStore": ("Redis; a store is the merchant", ()),
    r"\bthe store (is|was|forgets|cannot|refuses)\b": ("Redis; a store is the merchant", ("docs/store-admin.md",)),
    r"[Aa]uthoris|AUTHORIS": ("authoriz-: American spelling", ()),
    r"\b[Cc]ancell(ed|ing)\b": ("canceled, canceling", LIGHTRAIL),
    r"[Jj]udgement|[Bb]ehaviour|[Cc]olour|[Nn]eighbour|[Hh]onour|[Aa]rtefact|[Ff]avour": ("American spelling", ()),
    r"Verb\.RELEASE|ActKind\.RELEASE|transactions release": ("VOID for a hold, REVERSAL for the act", ()),
    r"\bclaimed\b|\bClaim\b|open_act\b|\bActState\.OPENING|\bwaited_for\b": ("lease, acknowledged, pending", ()),
    r"lightrail_valuestores|LightrailValueStores": ("lightrail_draft", ()),
    r"\bstand-ins?\b|stand_in": ("sandbox", ()),
    r"[Ww]eather|[Bb]ookkeep|[Nn]ursery|[Ww]orkshop|\b[Tt]eller\b|\b[Ss]leepers?\b": ("the field's words", ()),
    r"\b[Bb]ad days?\b|bad_day|test_found_by|\bHouse\b|make_house": ("what happens, in plain words", ()),
    r"\bfor ever\b|\bof ours\b|\b[Aa]t last\b|\bon paper\b": ("plain English", ()),
}

# Old names of settings stand where they are refused.
OLD_SETTINGS = r"GIFTBRIDGE_STORE_\w+|GIFTBRIDGE_ALLOW_UNSAFE_STORE"


def files() -> list[Path]:
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    beside = [path for path in ROOT.iterdir() if path.suffix in SUFFIXES and path.name != "CHANGELOG.md"]
    return [path for path in [*below, *beside] if path != Path(__file__) and "egg-info" not in str(path)]


@pytest.mark.parametrize("pattern", BANNED)
def test_a_banned_word_is_not_in_the_tree(pattern: str) -> None:
    instead, allowed = BANNED[pattern]
    found = [
        f"{name}:{number}: {line.strip()}"
        for path in files()
        if not (name := str(path.relative_to(ROOT))).startswith(allowed or "\0")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(pattern, line)
    ]
    assert not found, f"write {instead}:\n" + "\n".join(found)


def test_old_names_of_settings_stand_only_where_they_are_refused() -> None:
    naming = {str(path.relative_to(ROOT)) for path in files() if re.search(OLD_SETTINGS, path.read_text())}
    assert naming <= {"app/settings.py", "docs/operating.md", "tests/app/test_settings.py"}


def test_every_failure_of_the_suite_is_told_in_its_own_words() -> None:
    """An author who reads `assert 3 == 4` must read the suite to know what is wrong."""
    for source in (ROOT / "mappers" / "conformance").glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            assert not isinstance(node, ast.Assert) or node.msg is not None, f"{source.name}:{node.lineno}"
