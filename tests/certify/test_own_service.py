"""giftbridge itself, on the memory mapper and over a real socket, passes every check."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from app import create_app
from app.commands.cli import main
from app.settings import Settings
from mappers.base import Secret
from mappers.exact_json import decode
from providers.certify.runner import Verdict, certify
from providers.certify.session import Target
from tests.admin.conftest import PROVIDERS
from tests.certify.served import served

CODE = "MEMORY-ACTIVE-10"
CUSTOMER = "shopper@example.com"


@pytest.fixture
def settings(tmp_path: Path, empty_redis_url: str) -> Settings:
    path = tmp_path / "providers.toml"
    path.write_text(PROVIDERS)
    return Settings(redis_url=empty_redis_url, providers=path)


def test_the_own_service_passes_every_check(settings: Settings) -> None:
    with served(create_app(settings)) as url:
        target = Target(
            url, "first-key", Secret("first-token"), Secret(CODE), CUSTOMER, loyalty=True, issue=True, spend=Decimal(10)
        )
        report = certify(target)
    assert {one.check.number: one.seen for one in report.results if one.verdict is not Verdict.PASSED} == {}
    assert not report.left
    assert report.balance_before == report.balance_after == Decimal(10)


def test_the_command_reads_token_and_code_from_standard_input_and_tells_what_it_found(
    settings: Settings, tmp_path: Path
) -> None:
    with served(create_app(settings)) as url:
        arguments = ["certify", url, "--app-key", "first-key", "--app-token-stdin", "--code-stdin"]
        secrets = f"first-token\n{CODE}\n"
        right = CliRunner().invoke(main, [*arguments, "--only", "AUTH-1,READ-1"], input=secrets)
        wrong = CliRunner().invoke(
            main, [*arguments, "--only", "READ-8", "--json"], input=secrets.replace("first", "another")
        )
        mild = CliRunner().invoke(
            main, [*arguments, "--only", "READ-8", "--fail-on", "money"], input=secrets.replace("first", "another")
        )
        report = tmp_path / "report.xml"
        CliRunner().invoke(main, [*arguments, "--only", "READ-1", "--junit", str(report)], input=secrets)
    assert [case.get("name") for case in ET.parse(report).iter("testcase")] == [
        "READ-1 Find exactly one card with a code.",
        "Everything is given back",
    ]
    assert right.exit_code == 0, right.output
    assert "No check failed." in right.output
    assert wrong.exit_code == 1
    [check] = decode(wrong.stdout.splitlines()[-1].encode())["checks"]
    assert (check["number"], check["verdict"]) == ("READ-8", "failed")
    assert check["evidence"][0]["status"] == 403
    assert "another-token" not in wrong.output
    assert mild.exit_code == 0
    assert "1 of 1 checks failed." in mild.output


def test_the_list_needs_no_provider() -> None:
    listed = CliRunner().invoke(main, ["certify", "--list", "--csv"])
    assert listed.output == Path("docs/certify.csv").read_text()
    assert "AUTH-1" in CliRunner().invoke(main, ["certify", "--list"]).output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["https://host/acme"], "--app-key"),
        (["http://gift.example.com/acme", "--app-key", "k"], "https://"),
        (["--only", "NOPE-1", "--list"], "NOPE-1"),
        (["https://host/acme", "--app-key", "k", "--spend", "0"], "1.00"),
    ],
)
def test_wrong_usage_is_said(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["certify", *arguments])
    assert result.exit_code == 2
    assert said in result.output
