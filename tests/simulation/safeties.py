"""The safeties, and the mutant that each is proved by: a change of the code's own text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

ATTEMPT, CARDS = "app/ledger/attempt.py", "app/ledger/cards.py"
GUESSES, TERMS = "app/ledger/storage/guesses.py", "app/ledger/storage/terms.py"
LIGHTRAIL_V2, VOUCHERIFY = "mappers/lightrail_v2/mapper.py", "mappers/voucherify/mapper.py"
LEASE, RECORD, PRELUDE = (f"app/ledger/storage/lua/{name}.lua" for name in ("lease", "record", "prelude"))


@dataclass(frozen=True, slots=True)
class Edit:
    """In `file`, `text` becomes `without`."""

    file: str
    text: str
    without: str


@dataclass(frozen=True, slots=True)
class Safety:
    """`kind` names a kind of backend that needs it. Without `edits`, the harness itself takes it away.

    `bounded`: whether the backend keeps its bounds meanwhile. `hazard`: what happens beside, "" for nothing.
    `first_seed`: where the tests begin to look; the README says how long it takes from seed 0. None: no schedule is
    expected to miss it; the explorer does.
    """

    name: str
    kind: str
    edits: tuple[Edit, ...] = ()
    bounded: bool = True
    hazard: str = ""
    first_seed: int | None = 0


_FENCE = Edit(
    RECORD,
    "local mine = number('attempt') == arg.attempt and get('unresolved') == act",
    "local mine = true",
)

_OF_CARDS = partial(Safety, hazard="shoppers")

_REFUSAL = Edit(ATTEMPT, "            if certain:\n", "            if True:\n")

SAFETIES = (
    Safety("the intent is on disk before anything is sent", "v1", first_seed=35),
    Safety(
        "every repeat has the same key",
        "v1",
        (
            Edit(
                ATTEMPT,
                "key=step_key(act.oid, number),",
                "key=step_key(act.oid, number) + str(record.attempt - 1 or ''),",
            ),
        ),
    ),
    Safety(
        "the backend is asked before it is told again",
        "vauchar",
        (
            Edit(
                ATTEMPT,
                "receipt = self._ask(self._call(number), deadline, certain=certain)\n",
                "receipt = None\n",
            ),
        ),
        first_seed=145,
    ),
    Safety(
        "an attempt that may send is not taken for one that did not",
        "vtex",
        (Edit(LEASE, "set(act_field(act, 'nothing_sent'), '')", ""),),
        first_seed=315,
    ),
    Safety(
        "no trace of it counts only when nothing is on its way",
        "vauchar",
        (
            Edit(
                LEASE,
                "answer_with_lease('leased', in_flight_until, nothing_sent)",
                "answer_with_lease('leased', 0, nothing_sent)",
            ),
        ),
        first_seed=550,
    ),
    Safety(
        "a refusal counts only when nothing is on its way",
        "plain",
        (_REFUSAL,),
        first_seed=1910,
    ),
    Safety(
        "a 409 is looked up, and counts only when nothing is on its way",
        "v2",
        (_REFUSAL, Edit(LIGHTRAIL_V2, "if rejected.status == 409:", "if False:")),
        first_seed=490,
    ),
    Safety("only the attempt that holds the lease may refuse", "vtex", (_FENCE,), first_seed=730),
    Safety(
        "an attempt under lease is left alone, and one that lost it may not go on",
        "vauchar",
        (_FENCE, Edit(LEASE, "if number('lease_until') > passed then return answer('held') end", "")),
        first_seed=285,
    ),
    Safety(
        "what succeeds after it was refused is undone",
        "plain",
        (
            Edit(
                RECORD,
                "  if state == 'refused' then\n",
                "  if state == 'refused' then\n    do return answer('late') end\n",
            ),
        ),
        bounded=False,
        first_seed=1260,
    ),
    Safety(
        "the caps are checked where the act is written",
        "v1",
        (Edit("app/ledger/storage/lua/append.lua", "if arg.amount > reserved then return answer('exceeded') end", ""),),
    ),
    Safety(
        "a reservation is made in the epoch its balance was read in",
        "plain-ledger",
        (Edit(RECORD, "if on_card('epoch') ~= arg.epoch then return answer('moved') end", ""),),
        first_seed=1385,
    ),
    Safety(
        "steps on a card that is judged by its balance do not overlap",
        "vauchar-silent",
        (
            Edit(
                PRELUDE,
                "if not arg.one_step_at_a_time then return false end",
                "do return false end",
            ),
        ),
        first_seed=155,
    ),
    Safety(
        "what a refund puts back for a moment is set aside",
        "vauchar",
        (Edit(PRELUDE, "  add_on_card('reserved', kept)\n", ""),),
        first_seed=25,
    ),
    Safety(
        "what is done is in the totals in the same step",
        "v1",
        (Edit(PRELUDE, "  redis.call('HINCRBY', totals, field, amount)\n", ""),),
    ),
    _OF_CARDS(
        "a ration that is spent refuses",
        "plain",
        (Edit(GUESSES, "redis.call('HLEN', counter) >= limit", "false"),),
    ),
    _OF_CARDS(
        "a code is counted before the backend is asked",
        "plain",
        (
            Edit(
                CARDS,
                "            admitted = self._guesses.admit(provider, query, self._notes.has_lately)\n",
                "            self._searches.find(provider, query, deadline)\n"
                "            admitted = self._guesses.admit(provider, query, self._notes.has_lately)\n",
            ),
        ),
    ),
    _OF_CARDS(
        "a code that was found is not counted",
        "vauchar",
        (Edit(CARDS, "query, admitted.found if allowed else ())", "query)"),),
    ),
    _OF_CARDS(
        "a code that somebody was told of stays counted",
        "plain",
        (Edit(GUESSES, "redis.call('HINCRBY', counter, ARGV[1], -1) <= 0", "true"),),
    ),
    _OF_CARDS(
        "a right code is not answered like an unknown one where its rules cannot be asked",
        "voucherify",
        (Edit(VOUCHERIFY, "            if query.code is not None:\n                raise\n", ""),),
    ),
    _OF_CARDS(
        "what the ledger reserves is not shown",
        "vauchar",
        (
            Edit(
                CARDS,
                "card.balance - self._storage.standing(provider.backend.account, card.id).reserved",
                "card.balance",
            ),
        ),
    ),
    _OF_CARDS(
        "the card of somebody else is not found",
        "v1",
        (Edit(CARDS, "[card for card in cards if may_pay(query.customer, card)]", "[*cards]"),),
    ),
    _OF_CARDS(
        "the card of somebody else does not pay",
        "v1",
        (
            Edit(
                ATTEMPT,
                "            expect_allowed(self._storage, self._provider, self._record, deadline)\n",
                "            pass\n",
            ),
        ),
    ),
    _OF_CARDS(
        "a card for one payment makes one",
        "v1",
        (Edit(TERMS, "if holder and holder ~= transaction and not is_no_more then return holder end", ""),),
    ),
    _OF_CARDS(
        "a card is issued under the same name each time",
        "v2",
        (
            Edit(
                LIGHTRAIL_V2,
                "new_value(new, self.currency, self.options.program_id)",
                'new_value(replace(new, key=__import__("uuid").uuid4().hex), self.currency, self.options.program_id)',
            ),
        ),
    ),
    _OF_CARDS(
        "a card that was made and does not show yet is not refused",
        "voucherify",
        (Edit(VOUCHERIFY, "raise OutcomeUnknown(message, answered=True)", "raise CardUnusable(message)"),),
        first_seed=80,
    ),
    _OF_CARDS(
        "a new card that does not show yet is not called unknown",
        "v2",
        (Edit(CARDS, "if not self._storage.new_for(provider.backend.account, card_id):", "if True:"),),
    ),
)

CLIENT, SOCKETS = "mappers/http/client.py", "mappers/http/sockets.py"

# What the HTTP client, and a mapper's, make of what comes back, or does not.
HTTP_SAFETIES = (
    Safety(
        "what moves money is sent once",
        "vauchar",
        (
            Edit(
                CLIENT,
                "        if not request.moves_money:\n            retries |=",
                "        if True:\n            retries |=",
            ),
        ),
    ),
    Safety(
        "a gateway that gave up is no answer",
        "vtex",
        (Edit(CLIENT, "dict.fromkeys((408, 502, 503, 504, *range(520, 531), 598, 599), _Stage.SENT)", "{}"),),
        first_seed=230,
    ),
    Safety(
        "what is turned away for its rate is no refusal",
        "vauchar",
        (Edit(CLIENT, "status not in (408, 429)", "status != 408"),),
        first_seed=50,
    ),
    Safety(
        "what was sent over a kept connection is not unsent",
        "vauchar",
        (Edit(SOCKETS, "return self.connecting and not self.sent", "return not self.connecting or not self.sent"),),
    ),
    Safety(
        "only what no byte was sent of is unsent",
        "vauchar",
        (Edit(SOCKETS, "return self.connecting and not self.sent", "return self.connecting"),),
        first_seed=45,
    ),
    Safety(
        "nothing is sent after the deadline",
        "vtex",
        (Edit(SOCKETS, "    if left <= 0:\n", "    if False:\n"),),
        first_seed=25,
    ),
    Safety(
        "a success that cannot be read is none",
        "plain",
        (Edit(CLIENT, "        if status < 400:\n", "        if False:\n"),),
    ),
    Safety(
        "a gateway's 404 is not Vauchar's",
        "vauchar",
        (Edit("mappers/vauchar/client.py", "answer.status == 404 and answer.body is None", "False"),),
        first_seed=90,
    ),
    Safety(
        "a gateway's 404 is not Voucherify's",
        "voucherify",
        (
            Edit(
                "mappers/voucherify/client.py",
                "answer.status == 404 and rejected.key in MISSING",
                "answer.status == 404",
            ),
        ),
        first_seed=85,
    ),
    Safety(
        "a gateway's 404 is not VTEX's",
        "vtex",
        (Edit("mappers/vtex_giftcards/client.py", "NO_PATH = (404, 405)", "NO_PATH = ()"),),
        first_seed=30,
    ),
    Safety(
        "a gateway's 404 is not Lightrail's",
        "v1",
        (
            Edit(
                "mappers/lightrail.py",
                "lambda rejected: rejected.own and rejected.status in statuses",
                "lambda rejected: rejected.status in statuses",
            ),
        ),
        first_seed=280,
    ),
)
