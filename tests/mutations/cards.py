"""The safeties of what comes late, of cards that several transactions share, and of the mappers."""

from __future__ import annotations

from tests.mutations.mutation import (
    BAD_DAYS,
    FOUND,
    HTTP,
    LEDGER,
    LUA,
    SAFETIES_OF_CARDS,
    SIMULATION,
    STORIES,
    Mutation,
)

MUTATIONS = [
    # Late successes and authorizations nobody comes back for.
    Mutation(
        "what was opened late is undone",
        LUA + "record.lua",
        "      begin(number('acts'), 'pending', number('amount'), 0)\n",
        "",
        BAD_DAYS + "a_success_that_comes_after_the_refusal_is_undone",
    ),
    Mutation(
        "only an authorization nobody came for is abandoned",
        LUA + "prelude.lua",
        "  elseif state == 'authorized' and get('acknowledged') == '' then",
        "  elseif state == 'authorized' then",
        SAFETIES_OF_CARDS + "an_authorization_somebody_came_back_for_is_not_given_up_early",
    ),
    Mutation(
        "who comes back keeps the authorization",
        LUA + "open.lua",
        "    set('acknowledged', '1')\n    arm()\n",
        "    arm()\n",
        BAD_DAYS + "coming_back_in_time_keeps_the_authorization",
    ),
    Mutation(
        "what was touched meanwhile is not swept",
        LUA + "append.lua",
        "  if not score or tonumber(score) > now then return answer('not due') end\n",
        "",
        SAFETIES_OF_CARDS + "an_authorization_touched_since_the_sweeper_looked_is_not_given_up",
    ),
    Mutation(
        "the sweeper starts no authorization",
        LEDGER + "attempt.py",
        "        return self._act.opens and not self._lease.caller.wants_it",
        "        return False",
        BAD_DAYS + "an_opening_nobody_came_back_for_is_not_started",
    ),
    Mutation(
        "who finds a card busy starts no authorization of others",
        LEDGER + "executor.py",
        "            self.resolve(provider, record, deadline, Caller.bystander())\n",
        "            self.resolve(provider, record, deadline, Caller.vtex())\n",
        FOUND + "another_payment_does_not_start_the_authorization_that_keeps_the_card_busy",
    ),
    Mutation(
        "what breaks the code keeps the sweeper from no other",
        LEDGER + "sweeper.py",
        "            except Exception:\n                # One that",
        "            except ZeroDivisionError:\n                # One that",
        FOUND + "one_transaction_that_breaks_the_code_keeps_the_sweeper_from_no_other",
    ),
    # Money that the ledger reserves, and cards that are judged by their balance.
    Mutation(
        "a reservation is made in the epoch its balance was read in",
        LUA + "record.lua",
        "    if on_card('epoch') ~= arg.epoch then return answer('moved') end\n",
        "",
        BAD_DAYS + "a_balance_read_before_money_was_taken_is_read_again",
    ),
    Mutation(
        "money that is taken begins a new epoch",
        LUA + "prelude.lua",
        "  if kind == 'capture' or refunded > 0 then add(card, 'epoch', 1) end\n",
        "",
        BAD_DAYS + "a_balance_read_before_money_was_taken_is_read_again",
    ),
    Mutation(
        "money on its way from reserved to taken is not counted twice",
        LUA + "record.lua",
        "      return answer(amount <= free + on_card('taking') and 'moved' or 'short')",
        "      return answer('short')",
        SAFETIES_OF_CARDS + "money_that_is_just_being_taken_is_not_counted_twice",
    ),
    Mutation(
        "what a refund puts back only to take it again is not to be had",
        LUA + "prelude.lua",
        "    kept = number('captured') - number('refunded')\n",
        "",
        SIMULATION + "what_a_refund_puts_back_only_to_take_it_again_is_not_reserved_meanwhile",
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
        BAD_DAYS + "steps_on_one_card_do_not_overlap_where_the_backend_is_judged_by_its_balance",
    ),
    Mutation(
        "a busy card takes no settlement or cancellation",
        LUA + "append.lua",
        "if card_is_taken(arg.kind, refunded) then return answer('card busy') end\n",
        "",
        BAD_DAYS + "steps_on_one_card_do_not_overlap_where_the_backend_is_judged_by_its_balance",
    ),
    Mutation(
        "a busy card is left alone by who takes an act over",
        LUA + "lease.lua",
        "  if card_is_taken(kind, refunded) then return answer('card busy') end\n",
        "",
        SAFETIES_OF_CARDS + "a_parked_or_promised_act_does_not_break_into_a_busy_card",
    ),
    Mutation(
        "a card is freed by who made it busy only",
        LUA + "prelude.lua",
        "  if redis.call('HGET', card, 'busy') == transaction then redis.call('HDEL', card, 'busy') end",
        "  redis.call('HDEL', card, 'busy')",
        SAFETIES_OF_CARDS + "a_card_is_freed_only_by_the_transaction_that_keeps_it_busy",
    ),
    # Mappers.
    Mutation(
        "redirects are not followed",
        "mappers/http/__init__.py",
        "allow_redirects=False",
        "allow_redirects=True",
        HTTP + "a_write_answered_without_a_result_is_unknown_but_answered_and_sent_once",
    ),
    Mutation(
        "a write that was sent is not sent again",
        "mappers/http/__init__.py",
        "        if not request.moves_money:\n            retries |=",
        "        if True:\n            retries |=",
        HTTP + "a_write_reset_after_it_was_sent_is_unknown_and_sent_once",
    ),
    Mutation(
        "the adapter repeats nothing by itself",
        "mappers/http/__init__.py",
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
