"""Safeties of the sweeper: whom a backend holds up, who sweeps, and what a wrong clock may end."""

from __future__ import annotations

from tests.mutations.mutation import LEDGER, LUA, READ_LAG, SWEEPER, Mutation

CLOCK = "tests/ledger/test_clock.py::test_"
STATED_TIMES = "tests/ledger/test_stated_times.py::test_"

MUTATIONS = [
    Mutation(
        "silence ends the turn of a provider",
        LEDGER + "sweeper.py",
        "isinstance(error, OutcomeUnknown) and not error.answered",
        "False",
        SWEEPER + "a_silent_backend_is_asked_once_a_pass",
    ),
    Mutation(
        "an answer ends no turn",
        LEDGER + "sweeper.py",
        "(isinstance(error, OutcomeUnknown) and not error.answered)",
        "isinstance(error, OutcomeUnknown)",
        SWEEPER + "a_backend_that_answers_is_asked_for_all",
    ),
    Mutation(
        "silent backends wait for each other only",
        LEDGER + "sweeper.py",
        "self._pool_of_silent if provider_id in self._silent else self._pool",
        "self._pool",
        SWEEPER + "more_hanging_backends_than_threads_hold_up_no_other",
    ),
    Mutation(
        "a provider is worked off by one thread",
        LEDGER + "sweeper.py",
        "            if provider_id in self._turns and not self._turns[provider_id].done():\n",
        "            if False:\n",
        SWEEPER + "a_provider_has_one_turn_at_a_time",
    ),
    Mutation(
        "a turn ends when its time is over",
        LEDGER + "sweeper.py",
        "            if time.passed():\n                break\n",
        "",
        SWEEPER + "the_next_pass_goes_on_where_the_time_of_a_provider_was_over",
    ),
    Mutation(
        "who lost the lead begins nothing",
        LEDGER + "sweeper.py",
        "        self._lead = lead if leads else Deadline.after(0)\n",
        "        self._lead = lead\n",
        SWEEPER + "who_lost_the_lead_begins_no_other_transaction",
    ),
    Mutation(
        "who cannot renew the lead begins nothing",
        LEDGER + "sweeper.py",
        "self._lead.remaining_seconds() <= self._deadline_seconds",
        "self._lead.remaining_seconds() <= 0",
        SWEEPER + "who_cannot_renew_the_lead_begins_nothing_that_may_outlast_it",
    ),
    Mutation(
        "all that is due is read",
        LEDGER + "storage/index.py",
        "            start += DUE_PAGE\n",
        "            queues = []\n",
        SWEEPER + "what_is_due_of_a_silent_backend_hides_no_others",
    ),
    Mutation(
        "a clock unlike this machine's ends nothing",
        LEDGER + "clock.py",
        "        if abs(ahead) > TOLERANCE:\n",
        "        if False:\n",
        CLOCK + "a_clock_unlike_this_machines_is_in_doubt_until_they_agree",
    ),
    Mutation(
        "a clock that jumped ends nothing",
        LEDGER + "clock.py",
        "        if abs(jumped) > TOLERANCE:\n",
        "        if False:\n",
        CLOCK + "a_clock_that_jumps_for_one_pass_ends_nothing",
    ),
    Mutation(
        "what is in doubt is not ended",
        LEDGER + "sweeper.py",
        "        if self.reading.doubt:\n",
        "        if False:\n",
        CLOCK + "a_clock_that_jumps_for_one_pass_ends_nothing",
    ),
    Mutation(
        "a pass ends only so many",
        LEDGER + "sweeper.py",
        "        if not self.left.acquire(blocking=False):\n",
        "        if False:\n",
        CLOCK + "a_pass_ends_so_many_and_the_next_goes_on",
    ),
    Mutation(
        "what cannot be ended does not count",
        LEDGER + "sweeper.py",
        "            endings.put_back()\n",
        "            pass\n",
        CLOCK + "what_cannot_be_ended_takes_nobody_elses_place",
    ),
    Mutation(
        "what VTEX came back for is not abandoned by a clock that jumps in the middle of a pass",
        LUA + "append.lua",
        "tonumber(score) > arg.due_by",
        "tonumber(score) > now",
        CLOCK + "what_vtex_came_back_for_is_not_abandoned_by_a_clock_that_jumps_in_the_middle_of_a_pass",
    ),
    Mutation(
        "what was touched is not forgotten by a clock that jumps in the middle of a pass",
        LUA + "forget.lua",
        "tonumber(score) > arg.due_by",
        "tonumber(score) > now",
        CLOCK + "what_was_touched_is_not_forgotten_by_a_clock_that_jumps_in_the_middle_of_a_pass",
    ),
    Mutation(
        "failures of an act are counted",
        LUA + "record.lua",
        "  add(act_field(act, 'failures'), 1)\n",
        "",
        STATED_TIMES + "a_backend_that_is_down_is_asked_again_soon_and_then_at_most_every_ten_minutes",
    ),
    Mutation(
        "failures of a refused act are forgotten",
        LUA + "prelude.lua",
        " act_field(act, 'nothing_sent'), '',\n    act_field(act, 'failures'), 0)",
        " act_field(act, 'nothing_sent'), '')",
        STATED_TIMES + "an_act_that_was_refused_and_is_asked_for_again_counts_its_failures_anew",
    ),
    Mutation(
        "what lags drops out while settlements go on",
        LUA + "prelude.lua",
        "  if on_card('lagging_since') + arg.read_lag <= now then\n",
        "  if on_card('lagging_until') <= now then\n",
        READ_LAG + "what_lags_does_not_add_up_while_settlements_go_on",
    ),
    Mutation(
        "what lagged in the window before counts",
        LUA + "prelude.lua",
        "(on_card('lagging_before_until') > now and on_card('lagging_before') or 0)",
        "0",
        READ_LAG + "what_a_search_shows_can_be_authorized_at_once_but_for_the_last_settlements",
    ),
    Mutation(
        "a credit is not taken back from what lags",
        LEDGER + "reservations.py",
        "    if lacking + standing.lagging > 0:\n",
        "    if lacking > 0:\n",
        READ_LAG + "a_credit_is_not_taken_back_by_a_balance_that_lacks_a_settlement",
    ),
]
