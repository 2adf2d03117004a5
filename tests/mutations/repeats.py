"""The safeties of what is tried again, promised, decided by a person, or taken back."""

from __future__ import annotations

from tests.mutations.mutation import ATTACK, ATTACK_ON_CARDS, ATTACK_ON_MAPPERS, LEDGER, LUA, Mutation

MUTATIONS = [
    Mutation(
        "what was refused is planned anew",
        LUA + "append.lua",
        "if act and not something_happened(act) then",
        "if false then",
        ATTACK + "a_refused_cancellation_that_is_tried_again_is_planned_as_things_stand_now",
    ),
    Mutation(
        "a refusal of before another act is no answer",
        LEDGER + "service.py",
        "if act is None or (result.answer is AppendAnswer.BUSY and act.state is ActState.REFUSED):",
        "if act is None:",
        ATTACK + "a_refused_settlement_is_tried_again_although_another_act_was_in_the_way",
    ),
    Mutation(
        "a person's decision does not undo the promise to settle",
        LUA + "lease.lua",
        "get(act_field(act, 'promised')) == '1' and 'accepted' or 'pending'",
        "'pending'",
        ATTACK + "a_promise_that_did_not_happen_is_kept_all_the_same",
    ),
    Mutation(
        "nothing was sent for a promise until it is run",
        LUA + "append.lua",
        "if arg.accept or first ~= '' then set(act_field(new, 'nothing_sent'), nothing_sent) end",
        "",
        ATTACK + "a_promise_that_was_never_sent_is_sent_without_asking",
    ),
    Mutation(
        "what was certainly refused is parked as not sent",
        LEDGER + "attempt.py",
        "                self._nothing_sent = True\n                raise\n",
        "                raise\n",
        ATTACK_ON_MAPPERS + "what_was_lost_and_then_refused_is_not_found_in_a_later_purchase",
    ),
    Mutation(
        "what is left is open again when the act that would have closed it is refused",
        LUA + "record.lua",
        "    set('state', 'authorized')\n  end\n  move_on()",
        "  end\n  move_on()",
        ATTACK + "what_is_left_when_a_cancellation_behind_a_promise_is_refused_goes_back_in_the_end",
    ),
    Mutation(
        "a stalled attempt's look is not written over a newer one",
        LUA + "record.lua",
        "(arg.steps_done > known or mine and arg.steps_done == known)",
        "arg.steps_done >= known",
        ATTACK + "a_sleepers_look_does_not_replace_the_look_of_the_one_that_sent",
    ),
    Mutation(
        "after a look it is still asked for what a stalled attempt may have sent",
        LEDGER + "attempt.py",
        "self._nothing_sent = self._nothing_sent or step.verb is not Verb.LOOK",
        "self._nothing_sent = True",
        "tests/ledger/test_found_by_faults.py::test_a_refused_settlement_that_is_looked_at_again_is_asked_for_first",
    ),
    Mutation(
        "what came too late to count stays in sight",
        LUA + "prelude.lua",
        "if get('late') == '' then redis.call('SREM', parked, arg.id) end",
        "redis.call('SREM', parked, arg.id)",
        ATTACK + "what_came_too_late_to_count_stays_in_sight_when_another_act_is_decided",
    ),
    Mutation(
        "a decision is on disk before it is carried out",
        LUA + "lease.lua",
        "  set(act_field(act, 'decision'), arg.decision)\n",
        "",
        ATTACK + "a_decision_that_is_cut_off_is_carried_out_by_the_next_one",
    ),
    Mutation(
        "a credit is not taken back from what is reserved",
        LEDGER + "attempt.py",
        "            expect_unreserved(self._storage, self._mapper, self._record, self._act, deadline)\n",
        "",
        ATTACK_ON_CARDS + "a_credit_is_not_taken_back_from_what_is_reserved",
    ),
    Mutation(
        "a credit that is taken back moves the card's epoch, or is set aside",
        LUA + "prelude.lua",
        "    add(card, 'epoch', 1)\n    not_shown_yet(voided + refunded)\n",
        "",
        ATTACK_ON_CARDS + "a_balance_read_before_a_credit_was_taken_back_is_read_again",
    ),
    Mutation(
        "what was just taken may not show in the balance yet",
        LUA + "record.lua",
        "    if amount > free - lagging then\n",
        "    if amount > free then\n",
        "tests/ledger/test_found_by_proofs.py::test_a_balance_that_does_not_show_a_settlement_yet_is_not_reserved_from",
    ),
    Mutation(
        "what a person gave back is not given back again",
        "mappers/vauchar/giveback.py",
        'step.reference or step.receipt.data.get("deleted")',
        'step.receipt.data.get("deleted")',
        ATTACK_ON_MAPPERS + "a_refund_that_a_person_made_is_not_counted_again",
    ),
    Mutation(
        "a redemption that is not there does not pass for deleted",
        "mappers/vauchar/mapper.py",
        "if before.ids is not None and step.reference not in before.ids:",
        "if False:",
        ATTACK_ON_MAPPERS + "a_redemption_that_a_person_named_wrongly_is_not_given_back_on_paper",
    ),
    Mutation(
        "what a Redis lost and the backend captured whole is left to a person",
        LEDGER + "recovery.py",
        "    if record.captured:\n",
        "    if False:\n",
        ATTACK_ON_CARDS + "after_a_loss_the_rest_of_what_was_captured_whole_is_not_given_back_by_a_machine",
    ),
]
