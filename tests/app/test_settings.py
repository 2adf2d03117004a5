"""Settings come from the environment, are checked once, and explain what is wrong."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest

from app.server.services import folders
from app.settings import InvalidSettings, Settings, documentation, is_secret, variable
from tests.docs.documents import document


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIFTBRIDGE_")]:
        monkeypatch.delenv(name)


def problems(monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[str]:
    for name, value in environment.items():
        monkeypatch.setenv(f"GIFTBRIDGE_{name}", value)
    with pytest.raises(InvalidSettings) as failure:
        Settings.from_environment()
    assert str(failure.value) == "\n".join(failure.value.problems)
    return list(failure.value.problems)


def test_an_empty_environment_is_enough() -> None:
    assert Settings.from_environment() == Settings()


def test_defaults_keep_their_own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.from_environment()
    assert settings.money_deadline_seconds * 2 <= settings.lease_seconds
    assert settings.address == ("127.0.0.1", 8080)
    assert settings.redis_url is None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("PROVIDERS", "/etc/giftbridge/providers.toml", Path("/etc/giftbridge/providers.toml")),
        ("REDIS_URL", "rediss://:secret@Redis/0", "rediss://:secret@Redis/0"),
        ("DATA", "somewhere", Path("somewhere")),
        ("WORKERS", "4", 4),
        ("CARD_DEADLINE_SECONDS", "0.9", 0.9),
        ("REDIS_ALLOW_UNSAFE", "true", True),
        ("LOG_FORMAT", "console", "console"),
        ("THREADS", "", 64),
    ],
)
def test_a_variable_sets_its_setting(monkeypatch: pytest.MonkeyPatch, name: str, text: str, value: object) -> None:
    monkeypatch.setenv(f"GIFTBRIDGE_{name}", text)
    assert getattr(Settings.from_environment(), name.lower()) == value


@pytest.mark.parametrize(("bind", "address"), [("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:8080", ("::1", 8080))])
def test_an_address_has_a_host_and_a_port(monkeypatch: pytest.MonkeyPatch, bind: str, address: tuple[str, int]) -> None:
    monkeypatch.setenv("GIFTBRIDGE_BIND", bind)
    assert Settings.from_environment().address == address


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("WORKERS", "two", "GIFTBRIDGE_WORKERS must be a whole number"),
        ("WORKERS", "0", "GIFTBRIDGE_WORKERS must be at least 1"),
        ("THREADS", "1.5", "GIFTBRIDGE_THREADS must be a whole number"),
        ("CARD_DEADLINE_SECONDS", "soon", "GIFTBRIDGE_CARD_DEADLINE_SECONDS must be a number"),
        ("CARD_DEADLINE_SECONDS", "nan", "GIFTBRIDGE_CARD_DEADLINE_SECONDS must be a number"),
        ("REDIS_ALLOW_UNSAFE", "perhaps", "GIFTBRIDGE_REDIS_ALLOW_UNSAFE must be true or false"),
        ("LOG_LEVEL", "LOUD", "GIFTBRIDGE_LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR"),
        ("REDIS_URL", "http://Redis", "GIFTBRIDGE_REDIS_URL must start with one of redis://"),
        ("CONSOLE_BIND", "8081", "GIFTBRIDGE_CONSOLE_BIND must be HOST:PORT"),
        ("CONSOLE_BIND", "127.0.0.1:8080", "GIFTBRIDGE_CONSOLE_BIND must have another port than GIFTBRIDGE_BIND"),
        ("BIND", "8080", "GIFTBRIDGE_BIND must be HOST:PORT"),
        ("BIND", "127.0.0.1:99999", "GIFTBRIDGE_BIND must be HOST:PORT"),
        ("METRICS_BIND", "9464", "GIFTBRIDGE_METRICS_BIND must be HOST:PORT"),
        ("METRICS_BIND", "127.0.0.2:8080", "GIFTBRIDGE_METRICS_BIND must have another port than GIFTBRIDGE_BIND"),
        ("METRICS_TOKEN", "secret", "GIFTBRIDGE_METRICS_TOKEN can be guessed: take at least 16 random characters"),
        ("MONEY_DEADLINE_SECONDS", "inf", "GIFTBRIDGE_MONEY_DEADLINE_SECONDS must be a number"),
        ("MONEY_DEADLINE_SECONDS", "15", "GIFTBRIDGE_MONEY_DEADLINE_SECONDS must be below 15"),
        ("LEASE_SECONDS", "19", "GIFTBRIDGE_MONEY_DEADLINE_SECONDS must be at most half of GIFTBRIDGE_LEASE_SECONDS"),
        (
            "REDIS_TIMEOUT_SECONDS",
            "2",
            "GIFTBRIDGE_REDIS_TIMEOUT_SECONDS must be below GIFTBRIDGE_CARD_DEADLINE_SECONDS",
        ),
        ("RETENTION_DAYS", "30", "GIFTBRIDGE_RETENTION_DAYS must be at least 90"),
        ("MAXIMUM_BODY_BYTES", "99999999", "GIFTBRIDGE_MAXIMUM_BODY_BYTES must be at most"),
    ],
)
def test_a_wrong_value_names_the_variable_and_the_remedy(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, complaint: str
) -> None:
    found = problems(monkeypatch, **{name: text})
    assert any(problem.startswith(complaint) for problem in found), found


def test_a_time_to_abandon_within_the_lease_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = problems(monkeypatch, ABANDON_AFTER_SECONDS="60", LEASE_SECONDS="60")
    assert found.startswith("GIFTBRIDGE_ABANDON_AFTER_SECONDS must be above GIFTBRIDGE_LEASE_SECONDS")


@pytest.mark.parametrize("bind", ["0.0.0.0:8080", "[::]:8080", "gift.example.com:8080"])
def test_a_demo_is_served_on_this_machine_only(monkeypatch: pytest.MonkeyPatch, bind: str) -> None:
    (found,) = problems(monkeypatch, DEMO="demo.json", BIND=bind)
    assert found.startswith("GIFTBRIDGE_DEMO is for play money on this machine")


@pytest.mark.parametrize("bind", ["127.0.0.1:8080", "[::1]:8080", "localhost:8080"])
def test_a_demo_may_be_served_on_loopback(monkeypatch: pytest.MonkeyPatch, bind: str) -> None:
    monkeypatch.setenv("GIFTBRIDGE_DEMO", "demo.json")
    monkeypatch.setenv("GIFTBRIDGE_BIND", bind)
    assert str(Settings.from_environment().demo) == "demo.json"


def test_all_mistakes_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(problems(monkeypatch, WORKERS="two", THREADS="0", LOG_FORMAT="xml")) == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("STORE_TIMEOUT_SECONDS", "REDIS_TIMEOUT_SECONDS"),
        ("STORE_REPLICAS", "REDIS_REPLICAS"),
        ("ALLOW_UNSAFE_STORE", "REDIS_ALLOW_UNSAFE"),
    ],
)
def test_an_old_name_is_refused_and_the_new_one_told(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    assert problems(monkeypatch, **{old: "1"}) == [f"GIFTBRIDGE_{old} is now GIFTBRIDGE_{new}: rename it"]


@pytest.mark.parametrize(
    ("wrong", "right"), [("WORKER", "WORKERS"), ("REDIS_URI", "REDIS_URL"), ("LEASE_SECOND", "LEASE_SECONDS")]
)
def test_a_mistyped_name_is_refused_and_the_right_one_told(
    monkeypatch: pytest.MonkeyPatch, wrong: str, right: str
) -> None:
    assert problems(monkeypatch, **{wrong: "1"}) == [
        f"GIFTBRIDGE_{wrong} is not a setting: did you mean GIFTBRIDGE_{right}?"
    ]


@pytest.mark.parametrize("name", ["HUB_URL", "ACME_API_KEY", "TOKEN", "URL"])
def test_variables_for_other_things_may_begin_the_same(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"GIFTBRIDGE_{name}", "1")
    assert Settings.from_environment() == Settings()


def test_the_address_of_redis_may_hold_a_password_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIFTBRIDGE_REDIS_URL", "redis://:secret@Redis/0")
    assert "secret" not in repr(Settings.from_environment())
    assert "secret" not in "\n".join(problems(monkeypatch, REDIS_URL="http://:secret@Redis/0"))


def test_every_setting_has_a_name_a_default_and_a_reason() -> None:
    unset = {setting.name for setting in fields(Settings) if setting.default is None}
    for name, default, reason in documentation():
        assert name.startswith("GIFTBRIDGE_")
        assert default or name.removeprefix("GIFTBRIDGE_").lower() in unset
        assert reason.endswith(".")


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"STATE_DIRECTORY": "/var/lib/giftbridge"}, "/var/lib/giftbridge"),
        ({"XDG_DATA_HOME": "/somebody/data"}, "/somebody/data/giftbridge"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/somebody"}, "/somebody/.local/share/giftbridge"),
    ],
)
def test_the_ledger_is_at_the_same_place_in_whatever_folder_one_is(
    variables: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STATE_DIRECTORY", "GIFTBRIDGE_DATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert str(Settings.from_environment().data) == folder


def test_a_user_without_a_home_needs_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", classmethod(nobody))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert Settings.from_environment().data == Path("/.local/share/giftbridge")
    assert folders()[0] == Path("/.local/state/giftbridge")


WEBHOOK = {
    "NOTICES_WEBHOOK_URL": "https://hooks.store.example/giftbridge?key=value",
    "NOTICES_WEBHOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}
MAIL = {
    "NOTICES_MAIL_TO": "ana@store.example, Orders <orders@store.example>",
    "NOTICES_MAIL_FROM": "giftbridge <giftbridge@store.example>",
    "NOTICES_SMTP_HOST": "smtp.store.example",
}


def test_notices_need_no_more_than_where_they_go(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**WEBHOOK, **MAIL}.items():
        monkeypatch.setenv(f"GIFTBRIDGE_{name}", value)
    settings = Settings.from_environment()
    assert settings.notice_recipients == ["ana@store.example", "Orders <orders@store.example>"]
    assert "whsec_" not in repr(settings)
    assert "hooks.store.example" not in repr(settings)


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({**WEBHOOK, "NOTICES_WEBHOOK_SECRET": ""}, "needs GIFTBRIDGE_NOTICES_WEBHOOK_SECRET: set it to whsec_$("),
        ({**WEBHOOK, "NOTICES_WEBHOOK_SECRET": "whsec_c2hvcnQ="}, "24 to 64 bytes"),
        ({**WEBHOOK, "NOTICES_WEBHOOK_SECRET": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, "must be whsec_ and"),
        ({**WEBHOOK, "NOTICES_WEBHOOK_URL": "http://hooks.store.example"}, "NOTICES_WEBHOOK_URL must start with https"),
        ({**MAIL, "NOTICES_MAIL_FROM": ""}, "needs GIFTBRIDGE_NOTICES_MAIL_FROM: set it"),
        ({**MAIL, "NOTICES_SMTP_HOST": ""}, "needs GIFTBRIDGE_NOTICES_SMTP_HOST: set it"),
        ({**MAIL, "NOTICES_MAIL_TO": "ana"}, "NOTICES_MAIL_TO must be an address such as"),
        ({**MAIL, "NOTICES_MAIL_FROM": "giftbridge"}, "NOTICES_MAIL_FROM must be an address such as"),
        ({**MAIL, "NOTICES_SMTP_USER": "giftbridge", "NOTICES_SMTP_TLS": "none"}, "would send the password in plain"),
    ],
)
def test_notices_that_could_not_be_sent_stop_the_boot(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], part: str
) -> None:
    (problem,) = problems(monkeypatch, **changed)
    assert part in problem
    for secret in ("c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"):
        assert secret not in problem


@pytest.mark.parametrize(("text", "hours"), [("24h", 24), ("7d", 168), ("90m", 1.5)])
def test_how_often_is_a_number_and_a_unit(monkeypatch: pytest.MonkeyPatch, text: str, hours: float) -> None:
    monkeypatch.setenv("GIFTBRIDGE_RECONCILE_EVERY", text)
    assert Settings.from_environment().reconcile_every == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["24", "daily", "0h", "-1h"])
def test_how_often_is_nothing_else(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (problem,) = problems(monkeypatch, RECONCILE_EVERY=text)
    assert problem.startswith("GIFTBRIDGE_RECONCILE_EVERY must be a whole number and a unit")


SECRETS = [f"{variable(setting.name)}_FILE" for setting in fields(Settings) if is_secret(setting)]


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://:S3cret@redis:6379/0\n")
    monkeypatch.setenv("GIFTBRIDGE_REDIS_URL_FILE", str(tmp_path / "url"))
    assert Settings.from_environment().redis_url == "redis://:S3cret@redis:6379/0"


def test_the_secrets_that_may_are_documented() -> None:
    assert len(SECRETS) > 3
    assert set(SECRETS) <= set(re.findall(r"`(\w+_FILE)`", document("docs/operating.md").text))


@pytest.mark.parametrize("name", SECRETS)
def test_a_file_without_a_secret_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    setting = name.removeprefix("GIFTBRIDGE_")
    (problem,) = problems(monkeypatch, **{setting: str(tmp_path / "missing")})
    assert problem.startswith(f"{name} names a file without a secret: {tmp_path}/missing cannot be read")


def test_a_secret_stands_in_one_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("redis://:S3cret@redis:6379/0\n")
    told = problems(monkeypatch, REDIS_URL="redis://:S3cret@other", REDIS_URL_FILE=str(tmp_path / "url"))
    assert told == ["GIFTBRIDGE_REDIS_URL_FILE is set, and GIFTBRIDGE_REDIS_URL too: unset one of them"]


def test_what_is_no_secret_is_not_read_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "set GIFTBRIDGE_WORKERS" in problems(monkeypatch, WORKERS_FILE="/run/secrets/workers")[0]
