"""The safeties of one act: intent first, names as keys, caps, leases, and how an unknown outcome is settled."""

from __future__ import annotations

from tests.mutations.mutation import BAD_DAYS, FOUND, LEDGER, LUA, SAFETIES, SIMULATION, STORIES, Mutation

MUTATIONS = [
    # Intent first, result after.
    Mutation(
        "an intent on disk is found by the repeat",
        LUA + "open.lua",
        "if state ~= '' and not (state == 'abandoned' and get('open') == '') then",
        "if state ~= '' and state ~= 'opening' and not (state == 'abandoned' and get('open') == '') then",
        BAD_DAYS + "an_answer_that_cannot_be_asked_for_is_found_by_the_repeat",
    ),
    Mutation(
        "the intent is written before the backend is asked",
        LEDGER + "service.py",
        "            outcome = self._with_card(provider, lambda: self._store.open(opening), deadline)",
        "            provider.mapper.get_card(request.card_id, deadline)\n"
        "            outcome = self._with_card(provider, lambda: self._store.open(opening), deadline)",
        SAFETIES + "with_the_store_down_the_backend_is_not_even_asked",
    ),
    Mutation(
        "an intent is due for the sweeper",
        LUA + "open.lua",
        "take_lease()\narm()\nnote('opened')",
        "take_lease()\nnote('opened')",
        SAFETIES + "an_intent_nobody_finished_is_due_for_the_sweeper",
    ),
    Mutation(
        "a step done is written before the next one runs",
        LUA + "record.lua",
        "  keep_steps()\n  note('step done')",
        "  note('step done')",
        SAFETIES + "a_step_is_on_disk_before_the_next_one_runs",
    ),
    Mutation(
        "what is acknowledged is on disk",
        LEDGER + "embedded.py",
        '"appendonly": "yes"',
        '"appendonly": "no"',
        "tests/app/test_embedded.py::test_a_kill_loses_nothing_that_was_acknowledged",
    ),
    Mutation(
        "the store's client repeats nothing by itself",
        LEDGER + "clients.py",
        "Retry(NoBackoff(), 0)",
        "Retry(NoBackoff(), 3)",
        SAFETIES + "a_command_whose_answer_is_lost_is_not_repeated",
    ),
    # The name is the key.
    Mutation(
        "every step has a key of its own",
        LEDGER + "names.py",
        'return f"{oid}-{number}"',
        'return f"{oid}-1"',
        SAFETIES + "steps_of_one_act_never_share_a_key",
    ),
    Mutation(
        "a repeat has the same key",
        LEDGER + "attempt.py",
        "key=step_key(self._act.oid, number),",
        "key=step_key(self._act.oid, number) + str(self._claim.attempt),",
        BAD_DAYS + "an_answer_that_cannot_be_asked_for_is_found_by_the_repeat",
    ),
    Mutation(
        "a settlement and a cancellation of one requestId have two names",
        LEDGER + "names.py",
        "digest('act', transaction_id, kind, request_id)",
        "digest('act', transaction_id, request_id)",
        STORIES + "one_request_id_may_name_a_settlement_and_a_cancellation",
    ),
    Mutation(
        "what is opened again has a new name",
        LUA + "open.lua",
        "  arg.oid = arg.oid .. '-r' .. act\n",
        "",
        BAD_DAYS + "coming_back_too_late_opens_it_again_under_a_new_name_and_never_twice",
    ),
    Mutation(
        "an authorisation repeated with another amount is a conflict",
        LUA + "open.lua",
        "if state ~= '' and number('amount') ~= arg.amount then return answer('conflict') end\n",
        "",
        STORIES + "the_same_request_with_another_value_is_a_conflict",
    ),
    Mutation(
        "a settlement repeated with another amount is a conflict",
        LUA + "append.lua",
        "  if cjson.decode(get('a' .. act)).amount ~= arg.amount then return answer('conflict') end\n",
        "",
        STORIES + "the_same_request_with_another_value_is_a_conflict",
    ),
    # Caps.
    Mutation(
        "no more is settled than is left",
        LUA + "append.lua",
        "  if arg.amount > reserved then return answer('exceeded') end\n",
        "",
        STORIES + "no_more_is_settled_than_is_left",
    ),
    Mutation(
        "no more is refunded than was taken",
        LUA + "append.lua",
        "  if refunded > number('captured') - number('refunded') then return answer('exceeded') end\n",
        "",
        STORIES + "no_more_is_given_back_than_was_authorised",
    ),
    Mutation(
        "by hand only that part of the money is given back that was meant",
        LUA + "append.lua",
        "  return answer('other part')\n",
        "",
        "tests/commands/test_by_hand_races.py::test_a_release_does_not_refund_what_was_settled_meanwhile",
    ),
    Mutation(
        "what succeeds late counts only within the caps",
        LUA + "record.lua",
        "    local over_the_cap = taken + released > reserved or refunded > number('captured') - number('refunded')",
        "    local over_the_cap = false",
        SAFETIES + "a_settlement_that_succeeds_late_and_over_the_cap_is_not_counted",
    ),
    Mutation(
        "one act of a transaction at a time",
        LUA + "append.lua",
        "    if other_state == 'opening' or other_state == 'parked' then return answer('busy') end\n",
        "",
        BAD_DAYS + "one_act_of_a_transaction_is_under_way_at_a_time",
    ),
    # Leases and fences.
    Mutation(
        "an act under lease is nobody else's",
        LUA + "claim.lua",
        "if number('lease') > now then return answer('leased') end",
        "",
        SAFETIES + "an_act_under_lease_is_not_run_by_a_second_process",
    ),
    Mutation(
        "only who holds the lease may refuse",
        LUA + "record.lua",
        "local mine = number('attempt') == arg.attempt and get('open') == tostring(act)",
        "local mine = true",
        BAD_DAYS + "an_attempt_that_lost_its_lease_cannot_refuse_for_the_one_that_has_it",
    ),
    Mutation(
        "who lost the lease between two steps stops",
        LUA + "record.lua",
        "  note('step done')\n  if not mine then return answer('stale') end\n",
        "  note('step done')\n",
        SAFETIES + "an_attempt_overtaken_between_two_steps_does_not_run_the_second",
    ),
    Mutation(
        "an overtaken attempt does not wipe out steps it does not know",
        LUA + "record.lua",
        "  if arg.steps and arg.steps_done >= number(act_field(act, 'steps_done')) then\n",
        "  if arg.steps then\n",
        SAFETIES + "an_overtaken_attempt_does_not_wipe_out_the_steps_of_the_one_that_overtook_it",
    ),
    Mutation(
        "only the first half of a lease is for sending",
        LEDGER + "executor.py",
        "        # Half the lease is for sending, the other half for what was sent to arrive and to show.\n"
        "        return attempt.run(deadline.sooner(self._store.lease_seconds / 2))",
        "        return attempt.run(deadline)",
        SAFETIES + "an_attempt_sends_in_the_first_half_of_its_lease_only",
    ),
    # Unknown is asked for.
    Mutation(
        "the backend is asked before it is told again",
        LEDGER + "attempt.py",
        "        if not self._clean:\n            receipt = self._mapper.ask(self._call(number), deadline)",
        "        if False:\n            receipt = self._mapper.ask(self._call(number), deadline)",
        SAFETIES + "the_backend_is_asked_before_it_is_told_again",
    ),
    Mutation(
        "what is sent again is looked at again",
        LEDGER + "attempt.py",
        "        if certain:\n            self._look_again(number, deadline)\n",
        "",
        FOUND + "what_is_sent_again_is_looked_at_again",
    ),
    Mutation(
        "a look is on disk before what it was for is sent",
        LEDGER + "attempt.py",
        "receipt=self._look(number - 1, deadline))\n            self._write_progress()\n",
        "receipt=self._look(number - 1, deadline))\n",
        FOUND + "what_is_sent_again_is_looked_at_again",
    ),
    Mutation(
        "a refused act that was taken from a sleeper is asked for",
        LUA + "append.lua",
        "get(act_field(new, 'overtaken')) == '' and '1' or ''",
        "'1'",
        FOUND + "a_refused_settlement_that_is_tried_again_is_asked_for_first",
    ),
    Mutation(
        "a lease that was not given back is remembered",
        LUA + "claim.lua",
        "if number('lease') > 0 then set(act_field(act, 'overtaken'), '1') end\n",
        "",
        FOUND + "a_refused_settlement_that_is_tried_again_is_asked_for_first",
    ),
    Mutation(
        "the same request asks once more",
        LEDGER + "attempt.py",
        "            return self._ask_once_more(call, unknown, deadline)",
        "            raise unknown",
        BAD_DAYS + "a_lost_answer_is_asked_for_in_the_same_request",
    ),
    Mutation(
        "an attempt that may send is not taken for one that did not",
        LUA + "claim.lua",
        "set(act_field(act, 'clean'), '')\n",
        "",
        SIMULATION + "what_an_attempt_sent_before_it_died_is_asked_for_although_the_one_before_it_sent_nothing",
    ),
    Mutation(
        "what may still arrive is not sent again",
        LEDGER + "attempt.py",
        "            if not certain and (not self._mapper.repeatable or self._nobody_waits):\n"
        '                raise OutcomeUnknown("what was sent before may still arrive")\n',
        "",
        BAD_DAYS + "nothing_is_sent_again_while_it_may_still_arrive",
    ),
    Mutation(
        "what was sent may arrive until the lease is over",
        LUA + "prelude.lua",
        "  redis.call('HINCRBY', transaction, 'attempt', 1)\n  set('lease', now + arg.lease, 'quiet', now + arg.lease)",
        "  redis.call('HINCRBY', transaction, 'attempt', 1)\n  set('lease', now + arg.lease, 'quiet', now)",
        BAD_DAYS + "nothing_is_sent_again_while_it_may_still_arrive",
    ),
    Mutation(
        "a backend's reads may lag behind its answer",
        LEDGER + "attempt.py",
        "lag = timedelta(seconds=self._mapper.read_lag_seconds if self._sent else 0)",
        "lag = timedelta()",
        SAFETIES + "no_trace_of_it_is_not_believed_while_reads_may_lag_behind",
    ),
    Mutation(
        "a refusal is not believed while the first attempt may still arrive",
        LEDGER + "attempt.py",
        "            if certain:\n                raise\n",
        "            raise\n",
        BAD_DAYS + "a_refusal_is_not_believed_while_the_first_attempt_may_still_arrive",
    ),
    Mutation(
        "nothing is parked while it may still show",
        LEDGER + "attempt.py",
        "            if not self._claim.conclusive:\n                return self._leave(error)\n",
        "",
        SAFETIES + "nothing_is_left_for_a_person_while_it_may_still_show",
    ),
    Mutation(
        "a parked act is not repeated by a machine",
        LEDGER + "attempt.py",
        "        if self._act.state is ActState.PARKED:\n"
        '            raise Undecidable("it shows no trace of it, but it may have; only a person may repeat it")\n',
        "",
        SAFETIES + "a_parked_act_of_which_there_is_no_trace_is_not_repeated",
    ),
    Mutation(
        "a decision that cannot be carried out changes nothing",
        LUA + "claim.lua",
        "if arg.unpark and not is_parked then return answer('nothing') end\n",
        "if arg.unpark and not is_parked then return answer('nothing') end\n"
        "if arg.unpark then set(act_field(act, 'state'), 'opening') end\n",
        FOUND + "a_decision_that_finds_the_card_busy_leaves_the_act_parked",
    ),
    Mutation(
        "half an act is not refused",
        LEDGER + "transaction.py",
        "return act.state is ActState.OPENING and asked_for and not moved",
        "return act.state is ActState.OPENING and asked_for",
        SAFETIES + "a_refusal_after_money_moved_leaves_the_act_for_a_person",
    ),
    Mutation(
        "a promise is not refused",
        LEDGER + "transaction.py",
        "return act.state is ActState.OPENING and asked_for and not moved",
        "return asked_for and not moved",
        BAD_DAYS + "a_promise_the_backend_breaks_is_left_for_a_person",
    ),
]
