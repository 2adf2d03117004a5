"""`giftbridge` is all that other packages import, and what it offers does not change by accident."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest

import giftbridge
from mappers.skeleton.writer import Skeleton

ROOT = Path(__file__).parents[2]
TOY = Path(__file__).parent / "toy_package"
EXAMPLES = ROOT / "examples"

# A name that goes, or means something else, breaks packages: say so in CHANGELOG.md and raise the version.
SURFACE = {
    "giftbridge": "__version__",
    "giftbridge.mapper": """
        KEY_PREFIX NOT_A_CODE Act ActKind Answer BackendUnavailable Card CardNotFound CardStatus CardUnusable Cart
        CartItem Conflict Currency Customer Deadline DoneStep Holds HttpBackend InsufficientFunds InvalidAmount
        InvalidOptions IssuedCard Mapper MapperError Memo NewCard NoOptions Origin OutcomeUnknown Query Receipt
        ReferenceNotFound Refused Secret Settlement StatementLine Step TransactionFacts Undecidable UnknownCurrency
        Unsupported Unwritten Verb checked_key mask_code option_names plan_refund_per_redemption plan_whole_capture
        segment
    """,
    "giftbridge.parsing": """
        Malformed OwnNotes Parsed amount filled flag integer list_of mapping member metadata moment optional rows text
        understood whole written
    """,
    "giftbridge.sandbox": "CONTROL Fault Sandbox create_sandbox running shared",
    "giftbridge.testing": "MapperConformance Report Result Severity Uncertified Verdict certify",
}

OURS = {"app", "mappers", "providers", "wsgi"}


def package_sources() -> dict[str, str]:
    """Return the Python files of a package's skeleton, of the toy package and of the examples, by name."""
    skeleton = {f"skeleton: {path}": text for path, text in Skeleton.of("acme", package=True).files.items()}
    written = {str(path.relative_to(ROOT)): path.read_text() for top in (TOY, EXAMPLES) for path in top.rglob("*.py")}
    return {name: text for name, text in (skeleton | written).items() if name.endswith(".py")}


@pytest.mark.parametrize("module", SURFACE)
def test_what_it_offers_is_written_down_here(module: str) -> None:
    offered = import_module(module).__all__
    assert sorted(offered) == sorted(SURFACE[module].split())
    assert all(hasattr(import_module(module), name) for name in offered)


def test_packages_import_nothing_else_of_ours() -> None:
    assert any(name.startswith("examples/square/") for name in package_sources())
    for name, text in package_sources().items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module:
                assert node.module.partition(".")[0] not in OURS, name
                if node.module.partition(".")[0] == "giftbridge":
                    assert {alias.name for alias in node.names} <= set(SURFACE[node.module].split()), name
            elif isinstance(node, ast.Import):
                assert not OURS & {alias.name.partition(".")[0] for alias in node.names}, name


def test_no_document_shows_another_import() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "mappers").rglob("*.md")]
    for document in documents:
        for block in re.findall(r"^```\w*\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL):
            assert not re.search(r"^\s*(?:from|import) (?:app|mappers|providers)\b", block, re.MULTILINE), document


def test_a_package_s_imports_are_sorted_as_it_asks_for() -> None:
    for path, text in Skeleton.of("acme", package=True).files.items():
        for names in re.findall(r"^from giftbridge\.\w+ import (?:\(([^)]*)\)|(.*))$", text, re.MULTILINE):
            found = re.findall(r"\w+", "".join(names))
            assert found == sorted(found, key=lambda name: (not name.isupper(), name[0].islower(), name)), path


def test_the_version_is_the_package_s() -> None:
    assert giftbridge.__version__ == version("giftbridge")


def test_a_mapper_and_its_sandbox_need_no_test_tools() -> None:
    script = "import sys; sys.modules['pytest'] = None; import giftbridge.mapper, giftbridge.sandbox"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_failures_of_the_suite_show_values_without_any_preparation(tmp_path: Path) -> None:
    (tmp_path / "test_rewritten.py").write_text(
        "import giftbridge.testing\n"
        "import mappers.conformance.cards\n"
        "def test_it():\n"
        "    assert type(mappers.conformance.cards.__loader__).__name__ == 'AssertionRewritingHook'\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        "--rootdir",
        str(tmp_path),
    ]
    ran = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_it_is_a_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "giftbridge", "--help"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert ran.stdout.startswith("Usage: python -m giftbridge ")
