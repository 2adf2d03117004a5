"""The diagrams and the glossary use the words of the code, and lines of a diagram stand one below the other."""

from __future__ import annotations

import re
from enum import StrEnum

import pytest

from app.ledger.transaction import ActState, State
from mappers.base import Verb
from tests.docs.documents import Document, document, documents

PAGES = [*documents()]

# What stands behind `act: ` and its like, in a diagram.
NAMED: dict[str, type[StrEnum]] = {"act": ActState, "transaction": State, "step": Verb}
PARTIES = {"VTEX", "store admin", "giftbridge", "Redis", "backend"}

ASIDE = {"+", "|", "X", " "}  # an end of an arrow, a line, the end of a process, and where it is no more


def diagrams(page: Document) -> list[list[str]]:
    return [block.splitlines() for block in page.blocks("{svgbob}")]


def misplaced(lines: list[str]) -> list[str]:
    """Return the lines of a diagram in which something stands on the line of a party, or an arrow ends beside it."""
    places = [place for place, sign in enumerate(lines[1]) if sign == "|"]
    names = [line for line in lines[1:] if re.fullmatch(r"[| ]*[a-z]+[| ]*", line)]  # who takes over
    return [
        line
        for line in lines[1:]
        if line not in names
        and (
            any(line.ljust(places[-1] + 1)[place] not in ASIDE for place in places)
            or any(at not in places for at, sign in enumerate(line) if sign in "+|")
            or any(at + step not in places for sign, step in ((">", 1), ("<", -1)) for at in _all(line, sign))
        )
        and "X<" not in line  # an answer that is lost ends nowhere
    ]


def _all(line: str, sign: str) -> list[int]:
    return [at for at, one in enumerate(line) if one == sign]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_states_and_verbs_are_named_as_in_the_code(page: Document) -> None:
    for lines in diagrams(page):
        assert set(re.split(r"\s{2,}", lines[0].strip())) <= PARTIES
        for kind, word in re.findall(r"(\w+): (\w+)", "\n".join(lines)):
            if kind in NAMED:
                assert word in {*NAMED[kind]}, f"{page.name}: {kind}: {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_arrows_lead_from_one_party_to_another(page: Document) -> None:
    for lines in diagrams(page):
        assert misplaced(lines) == [], page.name


def test_a_shifted_line_is_found() -> None:
    diagram = ["  VTEX    Redis", "    |       |", "    +------>|"]
    assert misplaced(diagram) == []
    for shifted in ("   +------->|", "    +------> |", "    +--------"):
        assert misplaced([*diagram, shifted]) == [shifted]


def test_every_state_of_an_act_that_an_order_meets_is_drawn() -> None:
    drawn = "\n".join("\n".join(lines) for lines in diagrams(document("docs/reliability.md")))
    assert {word for word in ActState if f"act: {word}" in drawn} == {ActState.PENDING, ActState.DONE, ActState.PARKED}
    assert len(diagrams(document("docs/reliability.md"))) == 5


def test_the_glossary_explains_every_state_of_an_act_and_no_other() -> None:
    states = document("docs/glossary.md").text.partition("## The states of an act\n")[2]
    assert re.findall(r"^\| \*\*(\w+)\*\* \|", states, re.MULTILINE) == [*ActState]
