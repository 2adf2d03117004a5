"""The safeties of what is written down after a comparison with the backend."""

from __future__ import annotations

from tests.mutations.mutation import (
    LUA,
    RECONCILE_DOUBLES,
    RECONCILE_ELSEWHERE,
    RECONCILE_FORGOTTEN,
    RECONCILIATION,
    Mutation,
)

MUTATIONS = [
    Mutation(
        "what was compared is written down only while it stands so",
        LUA + "append.lua",
        "number('attempt') ~= arg.after_attempt",
        "false",
        RECONCILE_ELSEWHERE + "it_is_not_written_down_over_what_happened_meanwhile",
    ),
    Mutation(
        "nothing is sent for what happened already",
        LUA + "append.lua",
        "if arg.steps then set(",
        "if false then set(",
        RECONCILE_ELSEWHERE + "writing_it_down_moves_no_money_even_where_the_process_dies_in_between",
    ),
    Mutation(
        "of what was taken twice nothing is written down as given back",
        RECONCILIATION + "card.py",
        "entry.verb is not Verb.REFUND or taken_twice",
        "entry.verb is not Verb.REFUND",
        RECONCILE_DOUBLES + "of_two_redemptions_the_one_the_ledger_knows_is_given_back_elsewhere",
    ),
    Mutation(
        "what is reserved is not taken for what others gave back",
        RECONCILIATION + "card.py",
        "return amount if amount == standing or not record.rest else 0",
        "return amount",
        RECONCILE_ELSEWHERE + "a_redemption_rolled_back_elsewhere_waits_while_a_part_is_reserved",
    ),
    Mutation(
        "what a person confirmed is not written down once more as what others did",
        RECONCILIATION + "card.py",
        " or entry in confirmed:",
        ":",
        RECONCILE_ELSEWHERE + "a_rollback_that_a_person_confirmed_is_no_other",
    ),
    Mutation(
        "what a person confirmed explains one entry, and no other of the same amount",
        RECONCILIATION + "card.py",
        "found[step.key] = left.pop(position)\n                    break",
        "found[f'{step.key}{position}'] = found[step.key] = entry",
        RECONCILE_ELSEWHERE + "what_a_person_confirmed_hides_nothing_that_others_did",
    ),
    Mutation(
        "no more is written down as given back than was taken",
        RECONCILIATION + "card.py",
        "amount = min(entry.amount, standing)",
        "amount = entry.amount",
        RECONCILE_ELSEWHERE + "what_was_given_back_twice_is_never_called_equal",
    ),
    Mutation(
        "what was forgotten is not written down again",
        RECONCILIATION + "run.py",
        "return moment <= self.began - milliseconds(age)",
        "return False",
        RECONCILE_FORGOTTEN + "a_forgotten_order_is_no_difference",
    ),
    Mutation(
        "a clock that is ahead brings nothing forgotten back",
        RECONCILIATION + "run.py",
        "timedelta(days=self.parts.settings.retention_days) - CLOCKS",
        "timedelta(days=self.parts.settings.retention_days)",
        RECONCILE_FORGOTTEN + "a_backend_whose_clock_is_ahead_brings_no_forgotten_order_back",
    ),
    Mutation(
        "what others do to a forgotten order is no life of it",
        RECONCILIATION + "card.py",
        'own = (entry for entry in self._of.get(transaction or "", ()) if entry.key)',
        'own = (entry for entry in self._of.get(transaction or "", ()))',
        RECONCILE_FORGOTTEN + "what_somebody_else_does_to_a_forgotten_order_brings_it_not_back",
    ),
]
