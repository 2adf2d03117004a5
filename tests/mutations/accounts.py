"""The safeties of providers that share a backend account, and of transactions that stay where they were opened."""

from __future__ import annotations

from tests.mutations.mutation import CHANGED_BACKEND, FORGETFUL_REDIS, LEDGER, LUA, SHARED_ACCOUNTS, Mutation

MUTATIONS = [
    Mutation(
        "a provider changes its own transactions only",
        LUA + "append.lua",
        " or get('provider') ~= arg.provider then",
        " then",
        SHARED_ACCOUNTS + "a_provider_cannot_change_anothers_order",
    ),
    Mutation(
        "a card stands the same for all providers on its account",
        "providers/provider.py",
        "        account = self.account or ",
        "        account = self.id or ",
        SHARED_ACCOUNTS + "a_card_is_not_promised_twice",
    ),
    Mutation(
        "one provider finishes what another left on the card",
        LEDGER + "executor.py",
        "        its_own = self._find_provider(record.provider_id)\n",
        "        its_own = provider if record.provider_id == provider.id else None\n",
        SHARED_ACCOUNTS + "one_provider_finishes_what_another_left_on_the_card",
    ),
    Mutation(
        "a debit upfront leaves what is reserved for others",
        LEDGER + "reservations.py",
        "        own = act.amount\n",
        "        return\n",
        SHARED_ACCOUNTS + "reservations_of_an_earlier_policy_still_count",
    ),
    Mutation(
        "money being taken upfront is set aside",
        LUA + "prelude.lua",
        "    change_aside(act, kind, number('amount') - number('voided') - number('refunded'))\n",
        "",
        SHARED_ACCOUNTS + "money_being_taken_upfront_is_not_reserved_meanwhile",
    ),
    Mutation(
        "a refused debit gives back what was set aside",
        LUA + "record.lua",
        "  no_longer_aside(act, kind)\n  count(",
        "  count(",
        SHARED_ACCOUNTS + "a_refused_debit_upfront_keeps_nothing_of_the_card",
    ),
    Mutation(
        "no script touches what was opened at another backend",
        LUA + "prelude.lua",
        "  if fields.backend ~= arg.backend then return {'other backend', fields.backend} end\n",
        "",
        CHANGED_BACKEND + "nothing_is_done_at_another_backend",
    ),
    Mutation(
        "a transaction of another backend is not read",
        LEDGER + "service.py",
        "        expect_same_backend(provider, record)\n",
        "",
        CHANGED_BACKEND + "nothing_is_done_at_another_backend",
    ),
    Mutation(
        "no act is run at another backend",
        LEDGER + "executor.py",
        "        expect_same_backend(provider, record)\n",
        "",
        CHANGED_BACKEND + "an_act_is_not_finished_at_another_backend",
    ),
    Mutation(
        "in doubt nothing that was paid is given back",
        LEDGER + "sweeper.py",
        "        if any(doubt.concerns(record) for doubt in doubts):\n",
        "        if False:\n",
        FORGETFUL_REDIS + "what_the_card_has_paid_is_not_given_back_in_doubt",
    ),
    Mutation(
        "a replica that took over is doubted",
        LEDGER + "storage/history.py",
        "            if server.earlier_replid in known:\n",
        "            if False:\n",
        FORGETFUL_REDIS + "a_replica_that_took_over_is_doubted",
    ),
    Mutation(
        "older data is doubted",
        LEDGER + "storage/history.py",
        "            if not last_word and",
        "            if False and",
        FORGETFUL_REDIS + "a_redis_that_is_started_from_older_data_is_doubted",
    ),
    Mutation(
        "an older state than was seen is doubted",
        LEDGER + "storage/history.py",
        "        if seen_at < seen_here:\n",
        "        if False:\n",
        FORGETFUL_REDIS + "a_redis_with_an_older_state_than_was_seen_is_doubted",
    ),
]
