"""Sums are given back exactly, redemption by redemption, whatever was given back before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies._internal.core import DataObject

from mappers.base import Act, ActKind, DoneStep, Holds, Receipt, TransactionFacts, Unsupported, Verb
from mappers.redemptions import Taken, choose, plan_refund_per_redemption, standing

Planned = list[tuple[Verb, int, str]]

# Choosing what to give back

amounts = st.lists(st.integers(1, 500), min_size=1, max_size=8)


@given(amounts, st.data())
def test_the_chosen_redemptions_return_the_sum_exactly(taken_amounts: list[int], data: DataObject) -> None:
    taken = [Taken(f"res-{index}", amount) for index, amount in enumerate(taken_amounts)]
    wanted = data.draw(st.integers(0, sum(taken_amounts)))
    choice = choose(taken, wanted)
    deleted = [*choice.whole, *([choice.cut] if choice.cut else [])]
    assert sum(redemption.amount for redemption in deleted) - choice.keep == wanted
    assert len(set(deleted)) == len(deleted)
    assert set(deleted) <= set(taken)
    assert (choice.keep > 0) == (choice.cut is not None)


@given(amounts, st.data())
def test_a_redemption_of_exactly_the_sum_is_deleted_alone(taken_amounts: list[int], data: DataObject) -> None:
    taken = [Taken(f"res-{index}", amount) for index, amount in enumerate(taken_amounts)]
    choice = choose(taken, data.draw(st.sampled_from(taken_amounts)))
    assert len(choice.whole) == 1
    assert choice.cut is None


@given(amounts, st.integers(1, 500))
def test_more_than_was_taken_cannot_be_given_back(taken_amounts: list[int], surplus: int) -> None:
    taken = [Taken(f"res-{index}", amount) for index, amount in enumerate(taken_amounts)]
    with pytest.raises(Unsupported):
        choose(taken, sum(taken_amounts) + surplus)


@given(amounts, st.lists(st.integers(1, 300), max_size=6))
def test_repeated_partial_refunds_never_lose_track_of_the_sum(taken_amounts: list[int], refunds: list[int]) -> None:
    done = [DoneStep(Verb.DEBIT, amount, Receipt(f"res-{i}"), f"gb-{i}") for i, amount in enumerate(taken_amounts)]
    left = sum(taken_amounts)
    for number, refund in enumerate(refunds):
        if refund > left:
            break
        choice = choose(standing(done), refund)
        deleted = (*choice.whole, *([choice.cut] if choice.cut else []))
        done += [DoneStep(Verb.REFUND, taken.amount, Receipt(data={"deleted": taken.id}), "gb-r") for taken in deleted]
        if choice.keep:
            done.append(DoneStep(Verb.DEBIT, choice.keep, Receipt(f"res-again-{number}"), "gb-a"))
        left -= refund
        assert sum(taken.amount for taken in standing(done)) == left


# Planning


def taken(*amounts: int) -> tuple[DoneStep, ...]:
    return tuple(DoneStep(Verb.DEBIT, amount, Receipt(f"r-{place}"), "key") for place, amount in enumerate(amounts, 1))


def planned(
    kind: ActKind, amount: int, *done: DoneStep, parts: bool = True, holds: Holds = Holds.LEDGER, credit: bool = False
) -> Planned:
    facts = TransactionFacts("gb-1", "card", 1000, holds, credit, done=done)
    refunded = amount if kind is ActKind.REVERSAL and not credit else 0
    steps = plan_refund_per_redemption(Act(kind, amount, refunded=refunded), facts, parts=parts)
    return [(step.verb, step.amount, step.reference) for step in steps]


def test_each_redemption_goes_back_by_its_id_and_a_part_of_one_for_the_rest() -> None:
    done = taken(300, 500, 200)
    assert planned(ActKind.REVERSAL, 300, *done) == [(Verb.REFUND, 300, "r-1")]
    assert planned(ActKind.REVERSAL, 700, *done) == [(Verb.REFUND, 500, "r-2"), (Verb.REFUND, 200, "r-3")]
    assert planned(ActKind.REVERSAL, 100, *done) == [(Verb.REFUND, 100, "r-3")]
    cut = DoneStep(Verb.REFUND, 100, Receipt("back"), "key", "r-3")
    assert planned(ActKind.REVERSAL, 900, *done, cut) == [
        (Verb.REFUND, 500, "r-2"),
        (Verb.REFUND, 300, "r-1"),
        (Verb.REFUND, 100, "r-3"),
    ]


def test_where_only_whole_ones_go_back_the_rest_is_added() -> None:
    done = taken(300, 500)
    assert planned(ActKind.REVERSAL, 600, *done, parts=False) == [(Verb.REFUND, 500, "r-2"), (Verb.REFUND, 100, "")]
    gone = DoneStep(Verb.REFUND, 500, Receipt("back", data={"redemption": "r-2"}), "key")
    left = planned(ActKind.REVERSAL, 400, *done, gone, parts=False)
    assert left == [(Verb.REFUND, 300, "r-1"), (Verb.REFUND, 100, "")]


def test_what_a_person_gave_back_counts_by_what_the_step_was_to_act_on() -> None:
    by_hand = DoneStep(Verb.REFUND, 300, Receipt("note"), "key", "r-1")
    with pytest.raises(Unsupported, match="More is to be given back"):
        planned(ActKind.REVERSAL, 300, *taken(300), by_hand)


@pytest.mark.parametrize(
    ("kind", "holds", "credit", "steps"),
    [
        (ActKind.DEBIT, Holds.LEDGER, False, []),
        (ActKind.DEBIT, Holds.UPFRONT, False, [(Verb.DEBIT, 100, "")]),
        (ActKind.CAPTURE, Holds.LEDGER, False, [(Verb.DEBIT, 100, "")]),
        (ActKind.CAPTURE, Holds.UPFRONT, False, []),
        (ActKind.CREDIT, Holds.LEDGER, True, [(Verb.CREDIT, 100, "")]),
        (ActKind.CAPTURE, Holds.LEDGER, True, []),
        (ActKind.REVERSAL, Holds.LEDGER, True, [(Verb.DEBIT, 100, "")]),
    ],
)
def test_money_is_taken_at_settlement_or_upfront(kind: ActKind, holds: Holds, credit: bool, steps: Planned) -> None:
    assert planned(kind, 100, holds=holds, credit=credit) == steps


@pytest.mark.parametrize(("holds", "refunded"), [(Holds.LEDGER, 200), (Holds.UPFRONT, 300)])
def test_what_is_only_reserved_goes_back_without_a_call(holds: Holds, refunded: int) -> None:
    facts = TransactionFacts("gb-1", "card", 1000, holds, done=taken(1000))
    act = Act(ActKind.REVERSAL, 300, voided=100, refunded=200)
    assert sum(step.amount for step in plan_refund_per_redemption(act, facts, parts=True)) == refunded
