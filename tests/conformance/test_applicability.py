"""The suite skips nothing: a test that does not apply to a mapper is not collected, and every other test is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from mappers.base import Act, ActKind, Holds, Mapper, Receipt, Step, TransactionFacts, Unsupported
from mappers.conformance import MapperConformance
from mappers.conformance.applicability import holds_for
from mappers.deadline import Deadline
from mappers.memory.mapper import Memory
from mappers.money import Currency

pytest_plugins = ["pytester"]

Suite = type[MapperConformance]


class Sandboxed(MapperConformance):
    """A suite that gives everything there is to give."""

    other_currencies = (Currency.of("JPY"),)

    @pytest.fixture
    def backend(self) -> None:
        """Give no sandbox: nothing here is run."""

    @pytest.fixture
    def unusable_card_code(self) -> str:
        return "UNUSABLE"

    @pytest.fixture
    def single_use_card_code(self) -> str:
        return "ONCE"

    @pytest.fixture
    def ruled_card_code(self) -> str:
        return "RULED"

    @pytest.fixture
    def end_card(self) -> Callable[[Mapper, str], None]:
        return lambda mapper, card_id: None

    @pytest.fixture
    def small_pages(self) -> None:
        """Give nothing: nothing here is run."""

    @pytest.fixture
    def set_read_lag(self) -> Callable[[float], None]:
        return lambda seconds: None


class Everything(Memory):
    """It can do all that a mapper may do."""

    def look_up(self, step: Step, reference: str, deadline: Deadline) -> Receipt:
        return Receipt(reference)


class Fewer(Memory):
    """It leaves out what a mapper may leave out."""

    repeatable = False
    one_step_at_a_time = True
    supported_holds = (Holds.LEDGER,)  # type: ignore[assignment]

    statement = Mapper.statement
    cards = Mapper.cards
    issue = Mapper.issue

    def plan(self, act: Act, transaction: TransactionFacts) -> Sequence[Step]:
        if act.kind is ActKind.CREDIT:
            raise Unsupported("no")
        return super().plan(act, transaction)


def collected(suite: Suite) -> set[str]:
    """Return the names of the tests that pytest collects."""
    return {name for name in dir(suite) if name.startswith("test_") and callable(getattr(suite, name))}


def suite(mapper_class: type[Mapper], *bases: Suite) -> Suite:
    return type("TestIt", bases or (MapperConformance,), {"mapper_class": mapper_class})


EVERY = collected(MapperConformance)


def test_a_mapper_that_can_everything_is_tested_for_everything() -> None:
    assert collected(suite(Everything, Sandboxed)) == EVERY


def asking_for(fixture: str) -> set[str]:
    return {name for name in EVERY if fixture in getattr(MapperConformance, name).__code__.co_varnames}


@pytest.mark.parametrize(
    ("attribute", "fixture"),
    [
        ("backend", "sandbox"),
        ("unusable_card_code", "unusable_card_code"),
        ("single_use_card_code", "single_use_card_code"),
        ("ruled_card_code", "ruled_card_code"),
        ("set_read_lag", "set_read_lag"),
        ("small_pages", "small_pages"),
        ("end_card", "end_card"),
        ("other_currencies", "other_currency"),
    ],
)
def test_what_a_subclass_does_not_give_is_not_tried(attribute: str, fixture: str) -> None:
    left = {name: value for name, value in vars(Sandboxed).items() if name != attribute and not name.startswith("_")}
    without: Suite = type("Without", (MapperConformance,), left)
    assert asking_for(fixture)
    assert collected(suite(Everything, without)) == EVERY - asking_for(fixture)


LEFT_OUT = {
    "test_a_repeat_long_after_changes_nothing",
    "test_racing_attempts_under_one_key_move_money_once",
    "test_racing_payments_never_take_more_than_the_card_holds",
    "test_no_more_is_captured_than_was_held",
    "test_money_can_be_added_and_taken_back",
    "test_a_card_whose_issuing_is_unknown_is_made_once",
    "test_what_was_refused_is_in_no_statement",
    "test_two_keys_make_two_cards",
    "test_a_repeat_answers_the_same_card_whatever_else_it_says",
    "test_a_card_that_has_ended_opens_no_payment",
    "test_what_another_provider_did_cannot_be_called_ones_own",
    "test_a_page_of_the_cards_that_fails_is_not_taken_for_the_end",
    "test_one_use_pays_one_payment_in_parts_and_no_other",
    "test_a_payment_that_goes_back_whole_gives_its_use_back",
    "test_a_payment_that_the_rules_forbid_takes_nothing",
    "test_a_card_made_just_now_can_be_given_value",
}


def is_left_out(name: str) -> bool:
    return name in LEFT_OUT or "statement" in name or "list_of_cards" in name or "issu" in name


def test_what_a_mapper_cannot_do_is_not_tried() -> None:
    assert EVERY - collected(suite(Fewer, Sandboxed)) == {name for name in EVERY if is_left_out(name)}


def test_a_subclass_with_another_mapper_or_a_sandbox_is_tested_for_what_its_parent_was_not() -> None:
    parent = suite(Fewer)
    assert collected(suite(Everything, parent)) == collected(suite(Everything))
    both: Suite = type("Both", (Sandboxed, parent), {"mapper_class": Everything})
    assert collected(both) == EVERY


def test_what_an_author_takes_out_by_hand_stays_out() -> None:
    name = "test_two_keys_make_two_cards"
    by_hand: Suite = type("ByHand", (suite(Everything),), {name: None})
    assert collected(suite(Everything, by_hand)) == collected(suite(Everything)) - {name}


def test_what_only_the_ledger_knows_is_not_tried_where_the_ledger_holds() -> None:
    assert holds_for(Memory, MapperConformance.test_no_more_is_captured_than_was_held) == [Holds.NATIVE, Holds.UPFRONT]
    assert holds_for(Memory, MapperConformance.test_money_is_conserved) == list(Memory.supported_holds)


PACKAGE = """
    import pytest

    from giftbridge.testing import MapperConformance
    from mappers.memory.mapper import Memory, MemoryOptions


    class Quiet(Memory):
        repeatable = False
        statement = Memory.__mro__[1].statement


    class TestQuiet(MapperConformance):
        mapper_class = Quiet

        @pytest.fixture
        def options(self):
            return MemoryOptions()

        @pytest.fixture
        def card_code(self):
            return "MEMORY-ACTIVE-100"
"""


def test_a_package_needs_nothing_but_the_import(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(PACKAGE)
    outcomes = pytester.inline_run("-p", "no:cacheprovider").countoutcomes()
    passed, skipped, failed = outcomes
    assert (skipped, failed) == (0, 0)
    assert passed > 50
