"""The example of providers.toml is accepted."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from providers.provider import Policy, parse_duration
from providers.registry import Registry
from tests.docs.documents import document

PAGE = document("docs/providers.md")


def test_the_example_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = PAGE.blocks("toml")
    assert "acme" in tomllib.loads(example)
    file = tmp_path / "providers.toml"
    file.write_text(example)
    monkeypatch.setenv("ACME_APP_TOKEN", "a-token")
    monkeypatch.setenv("ACME_LIGHTRAIL_KEY", "a-key")
    provider = Registry.load(file).get("acme")
    assert provider is not None
    assert provider.authenticate("acme-key", "a-token")


def test_the_defaults_of_the_policy_are_the_code_s() -> None:
    listed = {row[0].strip("`"): row[1].strip("`") for row in PAGE.rows("key", "default")}
    for name in ("authorization_ttl", "remainder_ttl"):
        assert parse_duration(listed[name]) == Policy.__dataclass_fields__[name].default
    assert listed["settle"] == Policy.__dataclass_fields__["settle"].default
