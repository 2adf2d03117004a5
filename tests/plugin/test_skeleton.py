"""A skeleton runs as it is written, and fails only where nobody but its author can go on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mappers.skeleton.writer import Skeleton

ROOT = Path(__file__).parents[2]
TOY = Path(__file__).parent / "toy_package"


def run_tests(folder: Path, *arguments: str) -> str:
    """Run the tests in `folder`, with giftbridge as it is here."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "1000"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=no", "-rfE", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False).stdout


@pytest.fixture
def package(tmp_path: Path) -> Path:
    Skeleton.of("gift_card", package=True).write(tmp_path)
    return tmp_path / "giftbridge-gift-card"


def test_its_tests_fail_only_where_meaning_is_missing(package: Path) -> None:
    told = run_tests(package, "-k", "not slow and not unclear and not statement")
    failures = re.findall(r"^(?:FAILED|ERROR) .*", told, re.MULTILINE)
    assert failures
    for failure in failures:
        assert re.search(r"Unwritten: (client|mapper)\.py, \w+: ", failure), failure
    assert re.search(r"[1-9]\d* passed", told)


def test_without_holds_it_gives_back_redemption_by_redemption(tmp_path: Path) -> None:
    """What the author of the toy package wrote serves here too, but for what moves money."""
    skeleton = Skeleton.of("toy", package=True, holds=False)
    skeleton.write(tmp_path)
    package = tmp_path / "giftbridge-toy"
    assert "hold, capture" not in (package / "README.md").read_text()
    mapper, written = package / "src/giftbridge_toy/mapper.py", TOY / "src/giftbridge_toy"
    plan = re.search(r"^    def plan\(.*?(?=^    def run\()", mapper.read_text(), re.DOTALL | re.MULTILINE)
    assert plan is not None
    text = (written / "mapper.py").read_text()
    for before, after in (
        ("import (\n    BackendUnavailable,", "import (\n    Act,\n    TransactionFacts,\n    BackendUnavailable,"),
        ("    checked_key,", "    checked_key,\n    plan_refund_per_redemption,"),
        ("Holds.NATIVE, Holds.UPFRONT", "Holds.LEDGER, Holds.UPFRONT"),
        ('Verb.REFUND: "credit"', 'Verb.REFUND: "refund"'),
        ('{"hold": step.reference}', '{"redemption": step.reference}'),
        ("    def run(", f"{plan[0]}    def run("),
    ):
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    mapper.write_text(text)
    (package / "src/giftbridge_toy/client.py").write_text((written / "client.py").read_text())
    told = run_tests(package, "-k", "conserved or happened or keeps_the_kind or added_and_taken or no_more_than")
    assert re.search(r"[3-9]\d passed", told), told
    assert "failed" not in told


def test_a_package_is_told_where_the_guide_is() -> None:
    guide = re.search(r"^(/\S+) says what is to be decided", Skeleton.of("acme", package=True).next_steps, re.MULTILINE)
    assert guide is not None
    assert Path(guide[1]).read_text().startswith("# Adding a backend\n")


def test_the_first_failure_says_where_to_begin(package: Path) -> None:
    assert "Unwritten: client.py, card_with_code: how is a code looked up?" in run_tests(package, "-x")


@pytest.mark.parametrize("name", ["acme", "gift_card", "zebra"])
def test_in_the_repository_it_has_the_same_parts(name: str) -> None:
    class_name = name.replace("_", " ").title().replace(" ", "")
    files = {str(path): text for path, text in Skeleton.of(name, package=False).files.items()}
    assert set(files) == {
        *(f"mappers/{name}/{file}" for file in ("__init__.py", "client.py", "mapper.py", "sandbox.py", "README.md")),
        f"tests/conformance/test_{name}.py",
    }
    for path, text in files.items():
        assert "${" not in text.replace("${ACME_", ""), path
        if path.endswith(".py"):
            compile(text, path, "exec")
    imports = re.findall(r"^from (mappers\.\S+)", files[f"mappers/{name}/mapper.py"], re.MULTILINE)
    assert imports == sorted(imports)
    assert (
        f"from mappers.{name}.mapper import {class_name}, {class_name}Options"
        in files[f"tests/conformance/test_{name}.py"]
    )


def test_the_toy_package_began_as_a_skeleton() -> None:
    """What its author had no need to touch is as the skeleton has it, so that both stay true."""
    for path, text in Skeleton.of("toy", package=True).files.items():
        inside = path.relative_to("giftbridge-toy")
        if inside.name not in ("client.py", "mapper.py", "README.md"):
            assert (TOY / inside).read_text() == text, inside
