"""The safeties of what comes late, of cards that several transactions share, and of the mappers."""

from __future__ import annotations

from tests.mutations.mutation import (
    ABANDONED,
    BUSY_CARD,
    HTTP,
    LATE_OUTCOMES,
    LEDGER,
    LUA,
    SHARED_CARDS,
    STORIES,
    SWEEPER,
    Mutation,
)

MUTATIONS = [
    # Late successes and authorizations nobody comes back for.
    Mutation(
        "what was opened late is undone",
        LUA + "record.lua",
        "      begin(number('acts'), 'pending', number('amount'), 0)\n",
        "",
        LATE_OUTCOMES + "a_success_after_a_refusal_is_undone",
    ),
    Mutation(
        "only an authorization nobody came for is abandoned",
        LUA + "prelude.lua",
        "  elseif state == 'authorized' and get('acknowledged') == '' then",
        "  elseif state == 'authorized' then",
        ABANDONED + "an_acknowledged_authorization_is_not_abandoned",
    ),
    Mutation(
        "who comes back keeps the authorization",
        LUA + "open.lua",
        "    set('acknowledged', '1')\n    arm()\n",
        "    arm()\n",
        ABANDONED + "a_repeated_request_keeps_an_unacknowledged_authorization",
    ),
    Mutation(
        "what was touched meanwhile is not swept",
        LUA + "append.lua",
        "  if not score or tonumber(score) > now then return answer('not due') end\n",
        "",
        ABANDONED + "an_authorization_touched_during_a_sweep_is_not_abandoned",
    ),
    Mutation(
        "the sweeper starts no authorization",
        LEDGER + "attempt.py",
        "        return self._act.opens and not self._lease.caller.wants_it",
        "        return False",
        ABANDONED + "the_sweeper_does_not_start_an_unacknowledged_authorization",
    ),
    Mutation(
        "who finds a card busy starts no authorization of others",
        LEDGER + "executor.py",
        "                self.resolve(its_own, record, deadline, Caller.bystander())\n",
        "                self.resolve(its_own, record, deadline, Caller.vtex())\n",
        BUSY_CARD + "another_authorization_does_not_start_the_one_that_keeps_the_card_busy",
    ),
    Mutation(
        "what breaks the code keeps the sweeper from no other",
        LEDGER + "sweeper.py",
        "            except Exception:\n                # One that",
        "            except ZeroDivisionError:\n                # One that",
        SWEEPER + "the_sweeper_goes_on_after_an_unexpected_error",
    ),
    # Money that the ledger reserves, and cards that are judged by their balance.
    Mutation(
        "a reservation is made in the epoch its balance was read in",
        LUA + "record.lua",
        "    if on_card('epoch') ~= arg.epoch then return answer('moved') end\n",
        "",
        SHARED_CARDS + "a_balance_read_before_a_settlement_is_read_again",
    ),
    Mutation(
        "money that is taken begins a new epoch",
        LUA + "prelude.lua",
        "  if kind == 'capture' or refunded > 0 then add(card, 'epoch', 1) end\n",
        "",
        SHARED_CARDS + "a_balance_read_before_a_settlement_is_read_again",
    ),
    Mutation(
        "money on its way from reserved to taken is not counted twice",
        LUA + "record.lua",
        "      return answer(amount <= free + on_card('taking') and 'moved' or 'short')",
        "      return answer('short')",
        SHARED_CARDS + "money_being_captured_is_not_counted_twice",
    ),
    Mutation(
        "what a refund puts back only to take it again is not to be had",
        LUA + "prelude.lua",
        "    change_aside(act, kind, number('captured') - number('refunded'))\n",
        "",
        SHARED_CARDS + "money_that_a_refund_takes_again_is_not_reserved_meanwhile",
    ),
    Mutation(
        "reservations share one balance",
        LUA + "record.lua",
        "    local free = arg.balance - on_card('reserved')",
        "    local free = arg.balance",
        STORIES + "two_reservations_share_one_balance",
    ),
    Mutation(
        "a busy card takes no authorization",
        LUA + "open.lua",
        "if card_is_taken(arg.kind, 0) then return answer('card busy') end\n",
        "",
        BUSY_CARD + "steps_on_one_card_do_not_overlap_where_only_the_balance_shows_them",
    ),
    Mutation(
        "a busy card takes no settlement or cancellation",
        LUA + "append.lua",
        "if card_is_taken(arg.kind, refunded) then return answer('card busy') end\n",
        "",
        BUSY_CARD + "steps_on_one_card_do_not_overlap_where_only_the_balance_shows_them",
    ),
    Mutation(
        "a busy card is left alone by who takes an act over",
        LUA + "lease.lua",
        "  if card_is_taken(kind, refunded) then return answer('card busy') end\n",
        "",
        BUSY_CARD + "a_parked_act_waits_while_its_card_is_busy",
    ),
    Mutation(
        "a card is freed by who made it busy only",
        LUA + "prelude.lua",
        "  if redis.call('HGET', card, 'busy') == transaction then redis.call('HDEL', card, 'busy') end",
        "  redis.call('HDEL', card, 'busy')",
        BUSY_CARD + "a_card_is_freed_only_by_the_transaction_that_keeps_it_busy",
    ),
    # Mappers.
    Mutation(
        "redirects are not followed",
        "mappers/http/attempt.py",
        "allow_redirects=False",
        "allow_redirects=True",
        HTTP + "a_write_answered_without_a_result_is_unknown_but_answered_and_sent_once",
    ),
    Mutation(
        "a write that was sent is not sent again",
        "mappers/http/client.py",
        "        if not request.moves_money:\n            retries |=",
        "        if True:\n            retries |=",
        HTTP + "a_write_reset_after_it_was_sent_is_unknown_and_sent_once",
    ),
    Mutation(
        "the adapter repeats nothing by itself",
        "mappers/http/attempt.py",
        "max_retries=0",
        'max_retries=__import__("urllib3").Retry(3, allowed_methods=None, status_forcelist=[500])',
        HTTP + "a_write_answered_without_a_result_is_unknown_but_answered_and_sent_once",
    ),
    Mutation(
        "Lightrail's 409 is looked up before it counts",
        "mappers/lightrail_v2/mapper.py",
        "if rejected.status == 409:",
        "if False:",
        "tests/mappers/test_lightrail_v2_lost_answers.py::"
        "test_a_read_that_fails_while_a_409_is_looked_into_leaves_the_outcome_unknown",
    ),
    Mutation(
        "Vauchar's card is looked at before money moves",
        "mappers/vauchar/mapper.py",
        "return [transaction.step(Verb.LOOK, 0), transaction.step(Verb.DEBIT, act.amount)]",
        "return [transaction.step(Verb.DEBIT, act.amount)]",
        "tests/mappers/test_vauchar_lost_answers.py::test_a_redemption_whose_answer_was_lost_is_found_and_not_repeated",
    ),
]
