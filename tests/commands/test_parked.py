"""What no backend can tell is parked, found, and decided by a person."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from app.ledger.errors import Unresolved
from app.ledger.service import ChangeRequest
from app.ledger.transaction import State
from mappers.base import Receipt, Step, Undecidable, Verb
from mappers.deadline import Deadline
from tests.money import minor

from .conftest import Installation

CODE = "VAUCHAR-ACTIVE-100"


@pytest.fixture
def parked(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> str:
    """A settlement whose redemption the backend can neither show nor deny."""
    provider = installation.parts.registry.get("vouch")
    assert provider is not None
    transaction = installation.pay("60.00", provider="vouch", code=CODE)
    evidence: Mapping[str, str | int | bool | None] = {"balance_before": 10000, "balance_now": 2500}

    look = provider.mapper.run

    def run(step: Step, deadline: Deadline) -> Receipt:
        if step.verb is Verb.LOOK:
            return look(step, deadline)
        raise Undecidable("the balance fits nothing", evidence)

    def ask(step: Step, deadline: Deadline) -> Receipt | None:
        raise Undecidable("the balance fits nothing", evidence)

    with monkeypatch.context() as broken:
        broken.setattr(provider.mapper, "run", run)
        broken.setattr(provider.mapper, "ask", ask)
        change = ChangeRequest(installation.card(CODE, "vouch"), transaction, minor("60.00"), "settle-1")
        with pytest.raises(Unresolved):
            installation.parts.ledger.settle(provider, change, Deadline.after(5))
    assert installation.parts.index.parked() == [transaction]
    return transaction


def test_it_is_listed_with_what_is_wrong(installation: Installation, parked: str) -> None:
    listed = installation.json("transactions", "list", "--state", "parked")
    assert [(one["id"], one["unresolved"]) for one in listed["transactions"]] == [(parked, "settlement parked")]


def test_its_evidence_is_shown(installation: Installation, parked: str) -> None:
    shown = installation.run("transactions", "show", parked).stdout
    assert "the balance fits nothing" in shown
    assert "balance_before: 10000" in shown
    (act,) = [act for act in installation.json("transactions", "show", parked)["acts"] if act["state"] == "parked"]
    assert act["evidence"] == {"balance_before": 10000, "balance_now": 2500}


def test_the_doctor_names_it(installation: Installation, parked: str) -> None:
    checks = installation.json("doctor", exit_code=1)["checks"]
    (check,) = [check for check in checks if check["name"] == "parked transactions"]
    assert (check["ok"], parked in check["problem"]) == (False, True)


def test_what_a_person_has_to_look_for_is_shown(installation: Installation, parked: str) -> None:
    shown = installation.run("transactions", "show", parked).stdout
    assert "whether step 2 (debit 60.00) happened" in shown
    assert f"giftbridge transactions resolve {parked} --act 1 --step 2" in shown


def test_a_person_who_saw_it_happen_finishes_it(installation: Installation, parked: str) -> None:
    redemption = spent(installation, 60)
    word = ("--act", "1", "--happened", "--reference", redemption, "--actor", "ana")
    after = installation.json("transactions", "resolve", parked, *word)
    assert (after["state"], after["settled"], after["unresolved"]) == ("closed", Decimal("60.00"), None)
    story = installation.json("transactions", "show", parked)
    assert story["acts"][-1]["references"] == [redemption]
    (decided,) = [event for event in story["events"] if event["what"] == "decided"]
    assert (decided["by"], decided["detail"]) == ("ana", f"happened {redemption}")


def spent(installation: Installation, value: int) -> str:
    """Redeem at the backend as a shop would; return the redemption's id."""
    return str(installation.vouchers.app.extensions["backend"].spend_elsewhere(CODE, Decimal(value)).id)


@pytest.mark.parametrize(
    ("word", "why"),
    [
        (["--happened", "--reference", "R"], "say which act"),
        (["--happened", "--reference", "R", "--act", "0"], "act 0 is not open, act 1 is"),
        (["--did-not-happen", "--act", "2"], "act 2 is not open, act 1 is"),
        (["--give-up", "--act", "1", "--step", "1"], "step 1 is not open, step 2 is"),
        (["--happened", "--act", "1"], "name what happened by the backend's own id"),
        (["--happened", "--act", "1", "--reference", "nothing"], "no redemption nothing"),
    ],
)
def test_a_word_about_anything_else_is_refused(
    installation: Installation, parked: str, word: list[str], why: str
) -> None:
    refused = installation.run("transactions", "resolve", parked, *word)
    assert (refused.exit_code, why in refused.stderr) == (1, True), refused.output
    assert installation.parts.index.parked() == [parked]


def test_a_redemption_of_another_amount_is_refused(installation: Installation, parked: str) -> None:
    """A refund would delete it, and give the shopper what they paid elsewhere."""
    word = ("--act", "1", "--happened", "--reference", spent(installation, 90))
    assert installation.run("transactions", "resolve", parked, *word).exit_code == 1
    assert installation.parts.index.parked() == [parked]


@pytest.mark.parametrize("found", ["--did-not-happen", "--give-up"])
def test_a_person_who_saw_that_it_did_not_happen_ends_it(installation: Installation, parked: str, found: str) -> None:
    after = installation.json("transactions", "resolve", parked, "--act", "1", found)
    assert (after["state"], after["settled"], after["reserved"]) == (State.AUTHORIZED, 0, Decimal("60.00"))
    assert installation.parts.index.parked() == []


def test_an_act_without_a_decision_is_wrong_usage(installation: Installation, parked: str) -> None:
    assert installation.run("transactions", "resolve", parked, "--act", "1").exit_code == 2


def test_a_reference_without_a_decision_is_wrong_usage(installation: Installation, parked: str) -> None:
    assert installation.run("transactions", "resolve", parked, "--reference", "RDM-1").exit_code == 2
