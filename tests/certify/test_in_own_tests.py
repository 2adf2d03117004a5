"""A provider's own tests certify it: by one call, or with each check as a test of pytest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from giftbridge.testing import Severity, Uncertified, certify
from tests.certify.provider import CODE, CUSTOMER, KEY, TOKEN, Provider
from tests.certify.served import served


def test_a_right_provider_is_returned_with_all_that_was_found() -> None:
    with served(Provider()) as url:
        report = certify(url, app_key=KEY, app_token=TOKEN, code=CODE, only=["AUTH-1", "MONEY-1"])
    assert [one.check.number for one in report.results] == ["AUTH-1", "MONEY-1"]
    assert report.ok()


def test_a_wrong_one_fails_the_test_and_says_why_without_secrets() -> None:
    with served(Provider("may_be_stored", "refuses_cancellations")) as url:
        with pytest.raises(Uncertified) as caught:
            certify(url, app_key=KEY, app_token=TOKEN, code=CODE, only=["WIRE-10", "MONEY-1"])
        mild = certify(url, app_key=KEY, app_token=TOKEN, only=["WIRE-10"], fail_on=Severity.CHECKOUT)
        assert [one.check.number for one in mild.failed()] == ["WIRE-10"]
    text = str(caught.value)
    assert "WIRE-10 Say Cache-Control: no-store." in text
    assert "POST /giftcards/_search" in text
    assert "not given back: 1.00" in text
    assert CODE not in text
    assert TOKEN not in text
    assert caught.value.report.left


@pytest.mark.parametrize(
    ("options", "said"),
    [({"only": ["NOPE"]}, "NOPE"), ({"spend": "0"}, "1.00"), ({"url": "http://gift.example.com/a"}, "https://")],
)
def test_what_cannot_be_used_is_said(options: dict[str, str], said: str) -> None:
    arguments = {"url": "https://gift.example.com/acme", "app_key": KEY, "app_token": TOKEN, **options}
    with pytest.raises(ValueError, match=said):
        certify(**arguments)  # type: ignore[arg-type]


def run_pytest(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CERTIFY_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", *arguments],
        cwd=folder,
        env={**kept, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


SECRETS = {"CERTIFY_APP_TOKEN": TOKEN, "CERTIFY_CODE": CODE}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with packages named like those of giftbridge, which are its own."""
    for name in ("mappers", "providers"):
        (tmp_path / f"{name}.py").write_text("OWN = True\n")
    (tmp_path / "test_own.py").write_text(
        "import sys, mappers, providers\ndef test_own():\n    assert mappers.OWN and providers.OWN\n"
        "    assert not [name for name in sys.modules if name.startswith('providers.')]\n"
    )
    return tmp_path


def test_nothing_of_it_is_loaded_where_it_is_not_used(project: Path) -> None:
    ran = run_pytest(project)
    assert "1 passed" in ran.stdout, ran.stdout


def test_each_check_is_a_test_with_its_number_as_name(tmp_path: Path) -> None:
    with served(Provider("may_be_stored", "refuses_cancellations")) as url:
        arguments = ["--certify-url", url, "--certify-app-key", KEY, "--certify-only", "WIRE-9,WIRE-10,MONEY-1,READ-15"]
        ran = run_pytest(tmp_path, *arguments, "--junit-xml", "report.xml", **SECRETS)
        mild = run_pytest(tmp_path, *arguments, "--certify-fail-on", "checkout", "-k", "WIRE", **SECRETS)
    cases = {
        case.get("name"): next((child.tag for child in case if child.tag in ("failure", "skipped")), "passed")
        for case in ET.parse(tmp_path / "report.xml").iter("testcase")
    }
    assert cases == {
        "WIRE-9": "passed",
        "WIRE-10": "failure",
        "MONEY-1": "passed",
        "READ-15": "skipped",
        "GIVEN-BACK": "failure",
    }
    assert "Say Cache-Control: no-store." in ran.stdout
    assert "a cancellation of 1.00" in ran.stdout
    assert CODE not in ran.stdout
    assert TOKEN not in ran.stdout
    assert "1 passed, 1 skipped" in mild.stdout
    assert "cosmetic alone: Cache-Control is public" in mild.stdout


def test_a_right_provider_passes_all_that_the_card_allows(tmp_path: Path) -> None:
    with served(Provider()) as url:
        arguments = ["--certify-url", url, "--certify-app-key", KEY, "--certify-customer", CUSTOMER]
        ran = run_pytest(tmp_path, *arguments, "--certify-loyalty", "--certify-issue", **SECRETS)
    assert ran.returncode == 0, ran.stdout
    assert "skipped" not in ran.stdout


def test_one_worker_makes_all_checks_as_the_documents_say(tmp_path: Path) -> None:
    """They share one card. Nobody answers here: each check fails, and says who made it."""
    options = ["--certify-url", "http://127.0.0.1:1/acme", "--certify-app-key", KEY, "-k", "AUTH", "-v"]
    found = run_pytest(tmp_path, *options, "-n", "2", "--dist", "loadfile", **SECRETS)
    made_by = re.findall(r"^\[(gw\d)\] .*certify::AUTH-", found.stdout, re.MULTILINE)
    assert len(made_by) > 20, found.stdout
    assert len(set(made_by)) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--certify-app-key", KEY, "--certify-only", "NOPE-1"], "NOPE-1"),
        (["--certify-app-key", KEY, "--certify-spend", "0"], "1.00"),
        ([], "--certify-app-key"),
    ],
)
def test_wrong_options_end_the_run_with_what_to_do(tmp_path: Path, arguments: list[str], said: str) -> None:
    ran = run_pytest(tmp_path, "--certify-url", "http://127.0.0.1:1/acme", *arguments, **SECRETS)
    assert ran.returncode == 4
    assert said in ran.stderr + ran.stdout
