"""The action for GitHub does what it says: its script is run here as a runner does, with pipx taken for the command."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from mappers.exact_json import decode
from tests.certify.provider import CODE, CUSTOMER, KEY, TOKEN, Provider
from tests.certify.served import served
from tests.docs.documents import ROOT

ACTION = (ROOT / "deploy/github/certify/action.yml").read_text()
SCRIPT = dedent(re.search(r"\n      run: \|\n(.*?)\n    - ", ACTION, re.DOTALL)[1])  # type: ignore[index]
INPUTS = re.findall(r"^  ([a-z-]+):$", ACTION.partition("\noutputs:")[0], re.MULTILINE)
VARIABLES = dict(re.findall(r"^        ([A-Z_]+): \$\{\{ inputs\.([a-z-]+) \}\}$", ACTION, re.MULTILINE))
DEFAULTS = {
    name: default.strip('"')
    for name, default in re.findall(r"^  ([a-z-]+):\n    description: .*\n    default: (.*)$", ACTION, re.MULTILINE)
}


@pytest.fixture
def runner(tmp_path: Path) -> dict[str, str]:
    """What a runner sets; pipx is a script that takes this checkout for what it would fetch."""
    pipx = tmp_path / "bin/pipx"
    pipx.parent.mkdir()
    checks = '[ "$1 $2 $4" = "run --spec giftbridge" ] || exit 9'
    pipx.write_text(f'#!/bin/sh\n{checks}\nshift 4\nexec {sys.executable} -m giftbridge "$@"\n')
    pipx.chmod(0o755)
    return {
        "PATH": f"{pipx.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }


def run(runner: dict[str, str], **inputs: str) -> int:
    given = DEFAULTS | {name.replace("_", "-"): value for name, value in inputs.items()}
    variables = {variable: given[name] for variable, name in VARIABLES.items()}
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", SCRIPT]
    return subprocess.run(command, env=runner | variables, cwd=ROOT, check=False, timeout=120).returncode


def test_every_input_reaches_the_script() -> None:
    assert sorted(VARIABLES.values()) == sorted(INPUTS)
    assert all(f"${name}" in SCRIPT for name in VARIABLES if name != "CERTIFY_APP_TOKEN")
    # What an input holds is data: in the script's text it would be code.
    assert "${{" not in SCRIPT


def test_a_right_provider_passes_and_the_reports_are_there(runner: dict[str, str], tmp_path: Path) -> None:
    with served(Provider()) as url:
        inputs = {"url": url, "app_key": KEY, "app_token": TOKEN, "code": CODE, "customer": CUSTOMER, "language": "pt"}
        assert run(runner, **inputs, loyalty="true", issue="true", only="ISSUE,READ,MONEY-1") == 0
    found = decode((tmp_path / "certify/certify.json").read_bytes())
    assert {one["verdict"] for one in found["checks"]} == {"passed"}
    assert "Certificado" in (tmp_path / "certify/certify.html").read_text()
    assert "<testsuite" in (tmp_path / "certify/certify.xml").read_text()
    assert (tmp_path / "output").read_text() == f"folder={tmp_path}/certify\n"
    assert "Certified: 0 of 23 checks failed" in (tmp_path / "summary").read_text()


def test_a_wrong_one_fails_by_severity_and_the_summary_says_why(runner: dict[str, str], tmp_path: Path) -> None:
    with served(Provider("may_be_stored")) as url:
        inputs = {"url": url, "app_key": KEY, "app_token": TOKEN, "only": "WIRE"}
        assert run(runner, **inputs) == 1
        assert run(runner, **inputs, fail_on="checkout") == 0
    summary = (tmp_path / "summary").read_text()
    assert "| WIRE-10 | cosmetic | Say Cache-Control: no-store. |" in summary
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in written if TOKEN in text or CODE in text]


def test_wrong_inputs_fail_the_step(runner: dict[str, str]) -> None:
    assert run(runner, url="http://gift.example.com/acme", app_key=KEY, app_token=TOKEN) == 2
