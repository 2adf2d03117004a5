"""A secret stands in a file of its own: in providers.toml it is named, and nothing of it is ever told."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers.problems import InvalidProviders
from providers.registry import load_providers
from providers.secret_files import MAXIMUM_BYTES, UnusableSecret, read_secret

PROVIDERS = """\
[acme]
caption = "Acme"
currency = "BRL"
mapper = "memory"
[[acme.credentials]]
app_key = "key"
app_token = "${{file:{path}}}"
"""


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return tmp_path / "token"


def load(tmp_path: Path, secret: object) -> None:
    file = tmp_path / "providers.toml"
    file.write_text(PROVIDERS.format(path=secret))
    load_providers(file, {})


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_what_stands_in_the_file_is_the_secret(secret: Path, end: str) -> None:
    secret.write_bytes(b" a secret " + end.encode())
    assert read_secret(str(secret)) == " a secret "


def test_a_provider_is_loaded_with_it(tmp_path: Path, secret: Path) -> None:
    secret.write_text("token-from-a-file\n")
    load(tmp_path, secret)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"S3cret\xff", "is no text"),
        (b"S3cret" * MAXIMUM_BYTES, "is too long"),
        (None, "cannot be read (No such file or directory)"),
    ],
    ids=["empty", "newline", "binary", "long", "missing"],
)
def test_a_file_without_a_secret_is_named_and_nothing_of_it_is_told(
    tmp_path: Path, secret: Path, content: bytes | None, says: str
) -> None:
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(InvalidProviders) as failure:
        load(tmp_path, secret)
    assert f"[[acme.credentials]] number 1, app_token: the file {secret} {says}" in str(failure.value)
    assert "S3cret" not in str(failure.value)


def test_a_relative_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidProviders, match="no absolute path"):
        load(tmp_path, "token")


@pytest.mark.usefixtures("bound_by_permissions")
def test_a_file_that_is_not_for_this_user_is_named() -> None:
    with pytest.raises(UnusableSecret, match=r"Permission denied.*let the service's user read it"):
        read_secret("/proc/1/environ")
