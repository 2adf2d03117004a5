"""What the scripts keep to: their answers and fields are those that the code and FORMAT.md know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.ledger.errors import OtherFormat
from app.ledger.storage import keys, storage
from app.ledger.storage.records import load_transaction
from app.ledger.storage.storage import ANSWERS, OTHER_FORMAT
from app.ledger.transaction import Address
from tests.ledger.reference_model import CARD
from tests.ledger.system import System
from tests.stored import rewrite

FOLDER = Path(storage.__file__).parent / "lua"
SCRIPTS = sorted(FOLDER.glob("*.lua"))
FORMAT = (FOLDER.parent / "FORMAT.md").read_text()


def rows(title: str) -> set[str]:
    """Return the names in the first column of a table of FORMAT.md."""
    section = FORMAT.split(f"## {title}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([\w.:{}]+)`", section, re.MULTILINE))


@pytest.mark.parametrize("name", ANSWERS)
def test_a_script_answers_the_words_that_the_code_knows_and_its_header_explains(name: str) -> None:
    text = (FOLDER / f"{name}.lua").read_text()
    answered = re.findall(r"(?:answer\w*\(|return \{)'([a-z ]+)'", text)
    chosen = re.findall(r"answer\(.* and '([a-z ]+)' or '([a-z ]+)'\)", text)
    assert {*answered, *(word for pair in chosen for word in pair)} == set(ANSWERS[name])
    header = "".join(line[2:] for line in text.splitlines() if line.startswith("--"))
    assert all(re.search(rf"\b{word}\b", header) for word in ANSWERS[name])


def test_every_field_of_a_transaction_is_in_the_format() -> None:
    text = "".join(script.read_text() for script in SCRIPTS)
    read = re.findall(r"\b(?:get|number)\('(\w+)'\)|\bfields\.(\w+)", text)
    written = [name for names in re.findall(r"\bset\(((?:'\w+'|[^()]|\([^()]*\))*)\)", text) for name in _pairs(names)]
    documented = rows("A transaction")
    used = {name for names in read for name in names if name} | {*written}
    assert used <= documented
    assert documented <= used | {*_fields_of_python()}


def test_every_field_of_an_act_is_in_the_format() -> None:
    text = "".join(script.read_text() for script in SCRIPTS)
    assert {f"aN.{name}" for name in re.findall(r"act_field\(\w+, '(\w+)'\)", text)} | {"aN"} == rows(
        "An act, number N"
    )


def test_every_field_of_a_card_is_in_the_format() -> None:
    text = "".join(script.read_text() for script in SCRIPTS)
    used = re.findall(r"on_card\('(\w+)'|standing\.(\w+)", text)
    assert {name for names in used for name in names if name} == rows("A card")


@pytest.fixture(params=["text", "hash"])
def of_another_version(system: System, request: pytest.FixtureRequest) -> str:
    """A due transaction that another version of the service wrote, and that looks as if it were over."""
    transaction, client = system.authorize("40.00"), system.connection._client
    rewrite(client, transaction, version=5, state="closed")
    if request.param == "hash":
        key = str(keys.of_transaction(transaction))
        client.delete(key)
        client.hset(key, mapping={"version": "5", "state": "closed"})
    system.make_due()
    return transaction


def test_a_transaction_in_another_format_is_not_read(system: System, of_another_version: str) -> None:
    with pytest.raises(OtherFormat, match="format 5, and this giftbridge reads format 4"):
        system.storage.load(of_another_version)
    with pytest.raises(OtherFormat, match="format unknown"):
        load_transaction(of_another_version, '{"state": "authorized"}')
    assert system.storage.load_many([of_another_version]) == []


def test_no_script_changes_a_transaction_in_another_format(system: System, of_another_version: str) -> None:
    before = system.stored()
    with pytest.raises(OtherFormat):
        system.authorize("40.00")
    with pytest.raises(OtherFormat):
        system.settle(of_another_version, "40.00")
    with pytest.raises(OtherFormat):
        system.cancel(of_another_version, "40.00")
    for script in ANSWERS:
        arguments = [(FOLDER / name).read_text() for name in ("prelude.lua", f"{script}.lua")]
        run = system.connection.script("".join(arguments))
        answer = run(
            keys.for_scripts(Address(system.provider.id, CARD, of_another_version), system.provider.backend.account),
            "{}",
            "",
        )
        assert answer == [OTHER_FORMAT, "5"]
    assert system.stored() == before


def test_a_transaction_in_another_format_does_not_stop_the_sweeper(system: System, of_another_version: str) -> None:
    system.authorize("10.00", "order-2")
    assert system.sweep() == {"in another format": 1, "expired": 1}


def _pairs(arguments: str) -> list[str]:
    """Return the names among the arguments of a `set`: every other one, beginning with the first."""
    plain = re.sub(r"\([^()]*\)", "", arguments)
    return [part.strip().strip("'") for part in plain.split(",")[::2] if re.fullmatch(r"\s*'\w+'\s*", part)]


def _fields_of_python() -> list[str]:
    """Return the fields that `open` is given by the code."""
    text = Path(storage.__file__).read_text().split("fields={")[1].split("}")[0]
    return re.findall(r'"(\w+)":', text)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_numbers_are_added_in_one_place_that_knows_of_minus_zero(script: Path) -> None:
    """Redis 7.0 is given Lua's -0 as "-0", which it takes for no integer: the script would end half done."""
    text = script.read_text()
    place = re.search(r"local function add_to_totals\(.*?\nend\n", text, re.DOTALL)
    assert "HINCRBY" not in (text.replace(place[0], "") if place else text)
    assert not place or "if amount == 0 then return end" in place[0]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_time_is_the_redis_own(script: Path) -> None:
    assert not re.search(r"\bos\.|arg\.now", script.read_text())
