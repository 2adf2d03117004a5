"""What makes repeats safe at backends that know no keys, and holds that would outlive their card."""

from __future__ import annotations

from tests.mutations.mutation import (
    HTTP_GIVEN_UP,
    LEDGER,
    LIMITED_USES,
    LOST_CHANGES,
    LUA,
    OUTLIVED,
    REFUNDS_IN_PART,
    Mutation,
)

MUTATIONS = [
    Mutation(
        "Voucherify is looked at before the first send",
        "mappers/voucherify/mapper.py",
        "        if receipt := self._redeemed(step, deadline, newest=PAGE_SIZE):\n",
        "        if receipt := None:\n",
        LOST_CHANGES + "a_repeated_settlement_whose_intent_was_lost_redeems_once",
    ),
    Mutation(
        "Voucherify is looked at before value is added",
        "mappers/voucherify/mapper.py",
        "        if receipt := self._added(step, deadline, newest=PAGE_SIZE):\n",
        "        if receipt := None:\n",
        LOST_CHANGES + "value_is_added_once_although_the_intent_was_lost",
    ),
    Mutation(
        "a redemption that was rolled back since does not pass for one that stands",
        "mappers/voucherify/mapper.py",
        " and movement.redemption_id not in gone\n",
        "\n",
        LOST_CHANGES + "a_redemption_that_no_longer_stands_is_made_again",
    ),
    Mutation(
        "Vauchar's look tells what was redeemed already",
        "mappers/vauchar/mapper.py",
        "if was_listed(step) and",
        "if False and",
        LOST_CHANGES + "a_repeated_settlement_whose_intent_was_lost_redeems_once",
    ),
    Mutation(
        "what is kept is redeemed first only where the card can pay it",
        "mappers/vauchar/giveback.py",
        "return isinstance(spare, int) and spare >= keep",
        "return True",
        REFUNDS_IN_PART + "where_the_card_cannot_pay_it_the_old_redemption_is_deleted_first",
    ),
    Mutation(
        "what is kept is not redeemed of what is reserved for others",
        LEDGER + "attempt.py",
        "        reserved = self._lease.standing.reserved - self._act.set_aside\n",
        "        reserved = 0\n",
        REFUNDS_IN_PART + "what_is_kept_is_not_taken_of_what_is_reserved_for_others",
    ),
    Mutation(
        "nothing is deleted on a card that cannot pay what is kept",
        "mappers/vauchar/mapper.py",
        'if "keep" in step.data and status is not CardStatus.ACTIVE:',
        "if False:",
        REFUNDS_IN_PART + "nothing_is_deleted_on_a_card_that_cannot_pay_what_is_kept",
    ),
    Mutation(
        "what follows a look is planned by what it saw",
        LEDGER + "attempt.py",
        "            self._steps[number:] = anew[number:]\n",
        "            pass\n",
        REFUNDS_IN_PART + "what_is_kept_is_redeemed_before_the_old_redemption_is_deleted",
    ),
    Mutation(
        "a card on which a step is under way is not short of money yet",
        LUA + "record.lua",
        " or redis.call('HGET', card, 'busy')\n",
        "\n",
        REFUNDS_IN_PART + "a_shopper_who_pays_in_between_waits_and_is_not_declined",
    ),
    Mutation(
        "what is about to be taken is not reserved for others",
        LUA + "record.lua",
        "      set('holds', 'upfront')\n      set_aside(act, kind, 0, 0)\n",
        "      set('holds', 'upfront')\n",
        OUTLIVED + "what_is_being_taken_is_not_reserved_for_others",
    ),
    Mutation(
        "what was just taken at once may not show in the balance yet",
        LUA + "prelude.lua",
        "    if kind == 'debit' then not_shown_yet(amount) end\n",
        "",
        OUTLIVED + "a_balance_that_lags_behind_is_not_spent_twice",
    ),
    Mutation(
        "what another attempt is about to take is not written as done",
        LUA + "record.lua",
        "if arg.outcome == 'upfront' and holds ~= 'ledger' then return answer('stale') end\n",
        "",
        OUTLIVED + "an_overtaken_attempt_does_not_write_what_another_is_about_to_take",
    ),
    Mutation(
        "nothing is taken at once while a step on the card is under way",
        LUA + "record.lua",
        "      if arg.one_step_at_a_time and redis.call('HGET', card, 'busy') then return answer('moved') end\n",
        "",
        OUTLIVED + "it_is_not_taken_while_a_step_on_the_card_is_under_way",
    ),
    Mutation(
        "a card whose uses are counted is not reserved for later",
        LEDGER + "reservations.py",
        "return at_once and (ends or card.uses is not None)",
        "return at_once and ends",
        LIMITED_USES + "a_second_payment_is_refused_before_it_is_authorized",
    ),
    Mutation(
        "a card whose uses are counted is refused where it cannot pay at once",
        LEDGER + "reservations.py",
        "if card.uses is not None and not at_once:",
        "if False:",
        LIMITED_USES + "where_it_cannot_be_taken_at_once_it_is_refused",
    ),
    Mutation(
        "a request that is given up is cut off",
        "mappers/http/sockets.py",
        "self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CUT_OFF)",
        "pass",
        HTTP_GIVEN_UP + "what_the_system_had_still_to_deliver_is_dropped",
    ),
]
