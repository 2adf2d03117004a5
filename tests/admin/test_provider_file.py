"""Editing providers.toml: comments stay, nothing is lost, nothing gets worse."""

from __future__ import annotations

import stat
import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.admin.providers import files
from app.admin.providers.provider_file import EditRefused, NewProvider, ProviderFile
from providers.problems import InvalidProviders
from providers.provider import Provider

COMMENTED = """\
# Everything here is read while the service runs.
[acme]   # the main one
caption = "Acme gift cards"   # shown to shoppers
currency = "BRL"
mapper = "memory"

# made by hand
[[acme.credentials]]
app_key = "first-key"
app_token = "first-token"   # kept in plain

# of the old shop
[[acme.credentials]]
app_key = "second-key"
app_token = "second-token"

# play money
[acme.options]
seed = "demo"

[other]
caption = "Other"
currency = "BRL"
mapper = "memory"
credentials = [{app_key = "inline-key", app_token = "inline-token"}]
"""

MOMENT = datetime(2026, 1, 31, 10, tzinfo=UTC)
LATER = MOMENT + timedelta(days=1)

COMMENTS = [line.partition("#")[2].strip() for line in COMMENTED.splitlines() if "#" in line]


def served(file: ProviderFile, provider_id: str) -> Provider:
    provider = file.registry().get(provider_id)
    assert provider is not None
    return provider


@pytest.fixture
def file(tmp_path: Path) -> ProviderFile:
    path = tmp_path / "providers.toml"
    path.write_text(COMMENTED)
    return ProviderFile(path, environment={})


def text(file: ProviderFile) -> str:
    return file.path.read_text()


def keys(file: ProviderFile, provider_id: str = "acme") -> list[str]:
    return [pair["app_key"] for pair in tomllib.loads(text(file))[provider_id]["credentials"]]


def uses(file: ProviderFile, provider_id: str, app_key: str) -> tuple[Mapping[str, datetime], Mapping[str, datetime]]:
    """Return the stores of a pair, registered and pending."""
    [pair] = [pair for pair in file.installed(provider_id) if pair.app_key == app_key]
    return pair.registered, pair.pending


def test_a_new_provider_is_appended_and_the_rest_stays_as_it_was(file: ProviderFile) -> None:
    file.add_provider(NewProvider("new", "memory", "USD", options={"seed": "empty"}))
    assert text(file).startswith(COMMENTED)
    assert served(file, "new").currency.code == "USD"


def test_a_new_provider_lets_its_fresh_pair_in(file: ProviderFile) -> None:
    pair = file.add_provider(NewProvider("new", "memory", "BRL"))
    assert served(file, "new").authenticate(pair.app_key, pair.app_token)


def test_the_first_provider_makes_the_file_for_its_owner_alone(tmp_path: Path) -> None:
    file = ProviderFile(tmp_path / "providers.toml")
    file.add_provider(NewProvider("new", "memory", "BRL", service_url="https://gift.example.com/new"))
    assert served(file, "new").service_url == "https://gift.example.com/new"
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_an_option_gets_the_type_its_mapper_wants(file: ProviderFile, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Options:
        size: int = 1
        label: str = ""
        seed: str = "demo"

    monkeypatch.setattr("mappers.memory.mapper.Memory.Options", Options)
    file.add_provider(NewProvider("new", "memory", "BRL", options={"size": "7", "label": "7"}))
    assert tomllib.loads(text(file))["new"]["options"] == {"size": 7, "label": "7"}


def test_an_id_that_is_taken_is_refused(file: ProviderFile) -> None:
    with pytest.raises(EditRefused, match="there is a provider acme already"):
        file.add_provider(NewProvider("acme", "memory", "BRL"))


@pytest.mark.parametrize("provider_id", ["", "a b", "a.b", "-a", "a" * 65])
def test_an_id_that_cannot_be_is_refused(file: ProviderFile, provider_id: str) -> None:
    with pytest.raises(EditRefused, match="id is 1 to 64"):
        file.add_provider(NewProvider(provider_id, "memory", "BRL"))


@pytest.mark.parametrize("provider_id", ["acme", "other"])
def test_a_second_pair_is_let_in_beside_the_first(file: ProviderFile, provider_id: str) -> None:
    before = keys(file, provider_id)
    pair = file.add_credentials(provider_id)
    assert keys(file, provider_id) == [*before, pair.app_key]
    assert served(file, provider_id).authenticate(pair.app_key, pair.app_token)


def test_a_pair_is_stored_as_a_digest(file: ProviderFile) -> None:
    pair = file.add_credentials("acme")
    assert pair.app_token not in text(file)
    assert pair.app_token not in repr(pair)


def test_comments_survive_every_edit(file: ProviderFile) -> None:
    pair = file.add_credentials("acme", {"store": MOMENT})
    for app_key in (pair.app_key, "second-key"):
        file.record_registration("acme", app_key, "store", MOMENT)
    file.set_service_url("acme", "https://gift.example.com/acme")
    for app_key in ("second-key", "first-key"):
        file.remove_credentials("acme", app_key)
    left = text(file)
    assert [comment for comment in COMMENTS if comment not in left] == ["kept in plain"]
    assert left.index("# play money") < left.index("[acme.options]")


def test_a_service_url_is_set_and_changed(file: ProviderFile) -> None:
    file.set_service_url("acme", "https://gift.example.com/acme")
    file.set_service_url("acme", "https://gifts.example.com/acme")
    assert served(file, "acme").service_url == "https://gifts.example.com/acme"
    assert text(file).count("service_url") == 1


@pytest.mark.parametrize("provider_id", ["acme", "other"])
def test_the_stores_of_a_pair_are_kept_beside_it(file: ProviderFile, provider_id: str) -> None:
    [first, *_] = keys(file, provider_id)
    fresh = file.add_credentials(provider_id, {"store": MOMENT}).app_key
    assert uses(file, provider_id, fresh) == ({}, {"store": MOMENT})
    file.record_registration(provider_id, fresh, "store", LATER)
    assert uses(file, provider_id, fresh) == ({"store": LATER}, {})
    for account in ("store", "second-store"):
        file.record_registration(provider_id, first, account, MOMENT)
    assert uses(file, provider_id, first) == ({"store": MOMENT, "second-store": MOMENT}, {})
    file.registry()


def test_stores_that_are_no_table_of_moments_are_refused(file: ProviderFile) -> None:
    for wrong in (
        '"store"',
        "2026-01-31T10:00:00Z",
        "{ store = true }",
        '{ store = "2026-01-31" }',
        "{ store = 2026-01-31T10:00:00 }",
    ):
        file.path.write_text(COMMENTED.replace('"first-key"', f'"first-key"\nregistered = {wrong}'))
        with pytest.raises(EditRefused, match="first-key: registered must be a table such as"):
            file.installed("acme")
        with pytest.raises(InvalidProviders, match="number 1, registered: must be a table such as"):
            file.registry()


def test_a_revoked_pair_is_not_let_in(file: ProviderFile) -> None:
    file.remove_credentials("acme", "first-key")
    assert not served(file, "acme").authenticate("first-key", "first-token")
    assert served(file, "acme").authenticate("second-key", "second-token")


def test_the_last_pair_is_not_removed(file: ProviderFile) -> None:
    with pytest.raises(EditRefused, match="the only pair"):
        file.remove_credentials("other", "inline-key")
    assert text(file) == COMMENTED


def test_an_unknown_key_is_refused_and_the_known_ones_are_named(file: ProviderFile) -> None:
    with pytest.raises(EditRefused, match="its keys are first-key, second-key"):
        file.remove_credentials("acme", "third-key")


def test_an_unknown_provider_is_refused_and_the_known_ones_are_named(file: ProviderFile) -> None:
    with pytest.raises(EditRefused, match="no provider nobody: it has acme, other"):
        file.add_credentials("nobody")


def test_an_edit_that_would_be_wrong_leaves_the_file(file: ProviderFile) -> None:
    with pytest.raises(InvalidProviders) as caught:
        file.set_service_url("acme", "http://gift.example.com/acme")
    assert caught.value.problems == (
        f"{file.path}: [acme] service_url: must be https: only an address of this machine may be http",
    )
    assert text(file) == COMMENTED
    assert not list(file.path.parent.glob(".providers.toml.*[!k]"))


def test_a_mistake_that_is_there_already_does_not_stop_an_edit(file: ProviderFile) -> None:
    file.path.write_text(COMMENTED.replace('"demo"', '"${NOT_SET_HERE}"'))
    file.remove_credentials("acme", "second-key")
    assert keys(file) == ["first-key"]


def test_a_file_that_is_not_toml_is_left_alone(file: ProviderFile) -> None:
    file.path.write_text("[acme")
    with pytest.raises(EditRefused, match="is not TOML"):
        file.add_credentials("acme")


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(EditRefused, match="there is no file"):
        ProviderFile(tmp_path / "nothing.toml").add_credentials("acme")


def test_the_mode_of_the_file_stays(file: ProviderFile) -> None:
    file.path.chmod(0o640)
    file.add_credentials("acme")
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o640


def test_a_link_to_the_file_stays_a_link(file: ProviderFile, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(file.path)
    ProviderFile(link).add_credentials("acme")
    assert link.is_symlink()
    assert len(keys(file)) == 3


def test_an_edit_cut_off_before_the_end_changes_nothing(file: ProviderFile, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        file.add_credentials("acme")
    assert text(file) == COMMENTED


def test_two_edits_at_once_lose_none(file: ProviderFile) -> None:
    threads = [threading.Thread(target=file.add_credentials, args=("acme",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys(file)) == 10


def test_an_edit_waits_for_another_but_not_for_ever(file: ProviderFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LOCK_SECONDS", 0.1)
    with files.locked(file.path), pytest.raises(EditRefused, match="somebody else is editing"):
        file.add_credentials("acme")


def test_whoever_reads_meanwhile_finds_a_whole_file(file: ProviderFile) -> None:
    stop = threading.Event()
    broken: list[str] = []

    def read() -> None:
        while not stop.is_set():
            try:
                tomllib.loads(text(file))["acme"]["credentials"]
            except (tomllib.TOMLDecodeError, KeyError, OSError) as error:
                broken.append(repr(error))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(10):
        file.add_credentials("acme")
    stop.set()
    reader.join()
    assert broken == []


@pytest.mark.usefixtures("file", "bound_by_permissions")
def test_a_directory_of_somebody_else_is_explained() -> None:
    Path().chmod(0o500)
    with pytest.raises(EditRefused, match="run this as the user who owns it"):
        ProviderFile(Path("providers.toml"), environment={}).add_credentials("acme")


def test_plain_tokens_are_found_in_the_file_and_in_the_environment(file: ProviderFile) -> None:
    file.path.write_text(COMMENTED.replace('"second-token"', '"${TOKEN}"'))
    pairs = ProviderFile(file.path, environment={"TOKEN": "from-outside"}).plain_pairs("acme")
    assert [(pair.app_key, str(pair.app_token)) for pair in pairs] == [
        ("first-key", "first-token"),
        ("second-key", "from-outside"),
    ]
