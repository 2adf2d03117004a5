"""Safeties of packed transactions: nothing is lost when one is packed, and nothing when it is unpacked."""

from __future__ import annotations

from tests.mutations.mutation import LEDGER, LUA, STORAGE, Mutation

PACKING = "tests/ledger/test_packing.py::test_"

MUTATIONS = [
    Mutation(
        "what changed since it was read is not packed",
        LUA + "pack.lua",
        "if type(stored) ~= 'string' or redis.sha1hex(stored) ~= arg.text then",
        "if type(stored) ~= 'string' then",
        PACKING + "what_changed_while_it_was_packed_is_not_lost",
    ),
    Mutation(
        "what was noted since it was read is not packed away",
        LUA + "pack.lua",
        "if redis.call('LLEN', events) ~= arg.events then return 'changed' end\n",
        "",
        PACKING + "what_happened_while_it_was_packed_is_in_its_history",
    ),
    Mutation(
        "only what is over is packed",
        LUA + "pack.lua",
        "if not redis.call('ZSCORE', over, arg.id) then return 'changed' end\n",
        "",
        PACKING + "what_is_not_over_is_not_packed",
    ),
    Mutation(
        "what would not come back as it was is not packed",
        STORAGE + "packing.py",
        "return packed if same else None",
        "return packed",
        PACKING + "what_would_not_come_back_is_not_packed",
    ),
    Mutation(
        "a name of more orders than fit stays in the index",
        LUA + "pack.lua",
        "if not known and #found + #short <= most_of_a_name then",
        "if not known then",
        PACKING + "of_many_of_one_card_and_order_each_is_found",
    ),
    Mutation(
        "a script goes on only with what is still packed",
        LUA + "prelude.lua",
        "if arg.unpacked ~= redis.sha1hex(stored) then return {'packed', stored} end",
        "if not arg.unpacked then return {'packed', stored} end",
        PACKING + "a_refund_between_the_two_calls_of_another_counts_for_it",
    ),
    Mutation(
        "what is unpacked has its history",
        LUA + "prelude.lua",
        "  for event in string.gmatch(history, '[^\\n]+') do redis.call('RPUSH', events, event) end\n",
        "",
        PACKING + "a_refund_a_year_later_unpacks_it",
    ),
    Mutation(
        "what is unpacked takes the place of what was packed",
        LUA + "prelude.lua",
        "  history, head = nil, nil\n",
        "  history = nil\n",
        PACKING + "an_event_alone_unpacks_it_too",
    ),
    Mutation(
        "what is unpacked is over until somebody says otherwise",
        LUA + "prelude.lua",
        "  redis.call('ZADD', over, arg.over_since + arg.retention, arg.id)\n",
        "",
        PACKING + "what_leaves_the_packed_ones_is_over_until_somebody_says_otherwise",
    ),
    Mutation(
        "what is forgotten is no more among the packed ones",
        LUA + "forget.lua",
        "if history then redis.call('LREM', packed, 1, packed_row) end\n",
        "",
        PACKING + "a_packed_order_is_forgotten_after_the_retention_and_leaves_nothing",
    ),
    Mutation(
        "a packed order is forgotten only after its retention",
        LUA + "forget.lua",
        "history and arg.over_since + arg.retention or",
        "history and 0 or",
        PACKING + "a_packed_order_is_forgotten_after_the_retention_and_leaves_nothing",
    ),
    Mutation(
        "a page has all of its last millisecond, packed or not",
        STORAGE + "index.py",
        "(last is None or rows[-1].date >= last.date)",
        "(last is None or rows[-1] > last)",
        PACKING + "a_page_has_all_of_its_last_millisecond",
    ),
    Mutation(
        "what cannot be packed keeps nothing from being packed",
        LEDGER + "sweeper.py",
        "self._next_over = self._next_over + 1 if packed < len(ids) else 0",
        "self._next_over = 0",
        PACKING + "what_cannot_be_packed_keeps_nothing_from_being_packed",
    ),
]
