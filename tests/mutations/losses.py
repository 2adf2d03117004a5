"""The safeties of what Redis lost, and of what people ended in a vendor's dashboard."""

from __future__ import annotations

from tests.mutations.mutation import LEDGER, LUA, PURCHASES_ELSEWHERE, RECOVERY, TOTALS, Mutation

LOST_LEDGER = "tests/ledger/test_lost_ledger.py::test_"
DASHBOARD = "tests/ledger/test_dashboard.py::test_"

MUTATIONS = [
    Mutation(
        "a process that stood still while it looked does not take what others wrote for a moment ahead",
        LEDGER + "storage/history.py",
        "            now = self._connection.now_milliseconds()\n        seen_here",
        "            pass\n        seen_here",
        "tests/ledger/test_forgetful_redis.py::test_a_process_that_stood_still_while_it_looked_makes_no_other_doubt",
    ),
    Mutation(
        "a process that stood still while the clock was set back reads the clock again",
        LEDGER + "storage/history.py",
        " or int(read) < before_reading:",
        ":",
        "tests/ledger/test_forgetful_redis.py::test_who_stood_still_while_the_clock_was_set_back_doubts_nothing",
    ),
    Mutation(
        "a thread that stood still takes over what another has found of the clock",
        LEDGER + "storage/history.py",
        "seen_here = min(before_reading, self._seen_at)",
        "seen_here = before_reading",
        "tests/ledger/test_forgetful_redis.py::test_who_stood_still_while_the_clock_was_set_back_doubts_nothing",
    ),
    Mutation(
        "what was not written was not seen",
        LEDGER + "storage/history.py",
        "        if self._connection.call(lambda client: client.eval(_SEEN, 1, HISTORY, *arguments)):\n",
        "        if self._connection.call(lambda client: client.eval(_SEEN, 1, HISTORY, *arguments)) or True:\n",
        "tests/ledger/test_forgetful_redis.py::test_threads_that_look_when_the_clock_was_set_back_do_not_doubt_each_other",
    ),
    Mutation(
        "a look by a clock that was ahead does not hide that Redis has older data",
        LEDGER + "storage/history.py",
        "    return moment > now + milliseconds(SET_BACK)\n",
        "    return False\n",
        "tests/ledger/test_forgetful_redis.py::test_a_clock_that_was_ahead_hides_no_older_data",
    ),
    Mutation(
        "what was dated ahead, by a clock that was set ahead, is doubted like what was before",
        LEDGER + "storage/history.py",
        "        return max([now, *(int(date) + 1 for rows in found for _, date in rows)])\n",
        "        return now\n",
        "tests/ledger/test_forgetful_redis.py::test_"
        "what_the_card_has_paid_is_not_given_back_in_doubt_though_the_clock_was_ahead",
    ),
    Mutation(
        "what began while the clock was ahead, and may be forgotten, is a person's",
        LEDGER + "attempt.py",
        "        if doubts and self._act.date > self._lease.date:",
        "        if False:",
        "tests/ledger/test_lost_changes.py::test_what_began_while_the_clock_was_ahead_is_left_to_a_person",
    ),
    Mutation(
        "the backend is asked before an authorization is abandoned: Redis may have forgotten that it was made",
        LEDGER + "attempt.py",
        "            return self._forgotten(number, deadline)\n",
        "            raise _Abandoned\n",
        LOST_LEDGER + "what_was_held_before_the_loss_is_not_held_once_more",
    ),
    Mutation(
        "what somebody else bought does not pass for an authorization that was not sent",
        LEDGER + "attempt.py",
        "            call = replace(call, earlier=call.earlier[:-1])\n",
        "            pass\n",
        PURCHASES_ELSEWHERE + "a_purchase_is_not_taken_for_an_authorization_that_was_not_sent",
    ),
    Mutation(
        "what Redis had forgotten, and a repeat found, is not undone as if VTEX had not heard of it",
        LEDGER + "attempt.py",
        "        self._told = True  # VTEX may have been\n",
        "",
        LOST_LEDGER + "an_order_that_was_approved_stays_so_where_a_repeat_after_the_loss_is_given_up",
    ),
    Mutation(
        "what a Redis lost and the backend captured whole is left to a person",
        LEDGER + "recovery.py",
        "if captured or any(step.verb is Verb.CAPTURE for act in record.acts for step in done_steps(act)):",
        "if captured or record.captured:",
        LOST_LEDGER + "what_was_settled_after_a_cancellation_captured_all_is_not_given_back_by_the_policy",
    ),
    Mutation(
        "what a Redis lost and people captured is left to a person",
        LEDGER + "recovery.py",
        "if captured or any(step.verb",
        "if any(step.verb",
        DASHBOARD + "a_settlement_of_what_people_captured_is_not_given_back_by_the_policy_after_a_loss",
    ),
    Mutation(
        "what is left to a person stays so after another settlement",
        LUA + "record.lua",
        "if kind == 'capture' and number('expires_at') < never then",
        "if kind == 'capture' then",
        LOST_LEDGER + "a_settlement_after_the_loss_does_not_let_the_policy_give_back_those_that_were_lost",
    ),
    Mutation(
        "a note tells of the settlements before it",
        LEDGER + "recovery.py",
        "    for settlement in origin.settlements:\n",
        "    for settlement in ():\n",
        LOST_LEDGER + "a_refund_tells_of_the_settlements_that_left_no_trace",
    ),
    Mutation(
        "a note tells how much was settled",
        LEDGER + "recovery.py",
        "    captured = origin.captured\n",
        "    captured = record.captured\n",
        LOST_LEDGER + "a_transaction_tells_of_more_settlements_than_its_notes_name",
    ),
    Mutation(
        "an old note of a refund proves a settlement",
        LEDGER + "recovery.py",
        "captured = record.amount - record.voided - origin.voided if origin.refunded else 0",
        "captured = 0",
        RECOVERY + "an_old_note_of_a_refund_proves_that_all_the_rest_was_settled",
    ),
    Mutation(
        "another provider's transaction is not restored",
        LEDGER + "recovery.py",
        "if entry.origin and _is_own(provider, card_id, entry.origin):",
        "if entry.origin:",
        RECOVERY + "another_providers_transaction_on_the_same_account_is_left_to_that_one",
    ),
    Mutation(
        "steps are rebuilt as they happened, not as they would be planned now",
        LEDGER + "recovery.py",
        "if any(steps.get(key) != (entry.verb, entry.amount) for key, entry in told.items()):",
        "if False:",
        DASHBOARD + "a_settlement_of_what_people_captured_is_told_by_its_refund",
    ),
    Mutation(
        "a list that may lack something asks the backend",
        LEDGER + "service.py",
        "if not complete and self._recovery.card(provider, card_id, deadline):",
        "if not ids and self._recovery.card(provider, card_id, deadline):",
        RECOVERY + "a_list_shows_what_was_paid_before_the_loss_beside_what_was_paid_since",
    ),
    *(
        Mutation(
            f"nothing is added where all was given back already ({version})",
            f"mappers/{version}/mapper.py",
            "        if receipt := self._given_back(step, deadline):\n",
            "        if receipt := None:\n",
            DASHBOARD + "a_payment_is_refunded_once_in_how_many_parts_ever",
        )
        for version in ("lightrail_v1", "lightrail_v2")
    ),
    Mutation(
        "a refund of a hold that had gone back is not sent (lightrail_draft)",
        "mappers/lightrail_draft/mapper.py",
        "if step.verb is Verb.REFUND and all_went_back(step):",
        "if False:",
        DASHBOARD + "a_part_of_it_can_be_canceled_since_all_went_back",
    ),
    Mutation(
        "a hold that had gone back was not taken",
        "mappers/whole_capture.py",
        "    happened = [step for step in transaction.done if step.receipt.data.get(INSTEAD) != NOTHING]\n",
        "    happened = transaction.done\n",
        DASHBOARD + "a_part_of_it_can_be_canceled_since_all_went_back",
    ),
    Mutation(
        "a policy does not give back what people took (lightrail_v1)",
        "mappers/lightrail_v1/mapper.py",
        "if step.verb is Verb.VOID and not step.unasked:",
        "if step.verb is Verb.VOID:",
        DASHBOARD + "the_policy_does_not_give_back_what_people_took",
    ),
    Mutation(
        "a policy does not give back what people took (lightrail_v2)",
        "mappers/lightrail_v2/mapper.py",
        "step.verb is Verb.VOID and not step.unasked:",
        "step.verb is Verb.VOID:",
        DASHBOARD + "the_policy_does_not_give_back_what_people_took",
    ),
    Mutation(
        "a policy does not give back what people took (lightrail_draft)",
        "mappers/lightrail_draft/mapper.py",
        "if held.hold is Hold.CAPTURED and not step.unasked:",
        "if held.hold is Hold.CAPTURED:",
        DASHBOARD + "the_policy_does_not_give_back_what_people_took",
    ),
    Mutation(
        "what people captured and gave back is not settled (lightrail_v1)",
        "mappers/lightrail_v1/mapper.py",
        "if step.verb is Verb.CAPTURE and not step.gives_back and self._refund_of(step.card_id, ended.id, deadline):",
        "if False:",
        DASHBOARD + "it_cannot_be_settled",
    ),
    Mutation(
        "what people captured and gave back is not settled (lightrail_v2)",
        "mappers/lightrail_v2/mapper.py",
        "if captured and captured.reference != step.key and reversed_ and not step.gives_back:",
        "if False:",
        DASHBOARD + "it_cannot_be_settled",
    ),
    Mutation(
        "the totals have what Redis lost again",
        LUA + "restore.lua",
        "arg.in_totals and number('acts') - 1 or -1",
        "-1",
        TOTALS + "a_lost_ledger_that_is_restored_has_its_totals_again",
    ),
    Mutation(
        "the totals do not count again what was forgotten",
        LEDGER + "recovery.py",
        "in_totals=not perhaps_forgotten",
        "in_totals=True",
        TOTALS + "what_was_forgotten_after_its_retention_counts_once",
    ),
    Mutation(
        "a late success counts in the totals",
        LUA + "record.lua",
        "    enter(now, kind, amount, voided, refunded)\n    if get('unresolved') == '' then set('retry_at', 0) end\n",
        "    if get('unresolved') == '' then set('retry_at', 0) end\n",
        TOTALS + "a_settlement_that_succeeds_after_it_was_refused_counts",
    ),
    Mutation(
        "the totals of a day count on it",
        LUA + "prelude.lua",
        "  redis.call('HINCRBY', of_day, field, amount)\n",
        "",
        TOTALS + "what_is_held_is_told_of_each_day_until_it_is_not_held",
    ),
]
