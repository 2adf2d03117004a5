"""Mappers that do a thing twice, or take two for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

from mappers.base import IssuedCard, NewCard, OutcomeUnknown, Receipt, Step
from mappers.deadline import Deadline
from mappers.lightrail_v2.mapper import LightrailV2
from mappers.memory.mapper import Memory
from mappers.vauchar.mapper import Vauchar

from .cases import caught_by


@caught_by("test_what_is_repeated_under_one_key_happens_once")
class SendsAKeyOfItsOwn(LightrailV2):
    """Each attempt makes up a new key, as if it were another step."""

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        return super().run(replace(step, key=str(uuid4())), deadline)


@caught_by("test_money_is_conserved")
class UsesOneKeyForTwoSteps(LightrailV2):
    """The steps of one act share the act's name, without their number."""

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        return super().run(self._cut(step), deadline)

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        return super().ask(self._cut(step), deadline)

    def _cut(self, step: Step) -> Step:
        return replace(step, key=step.key.rpartition("-")[0])


@caught_by("test_an_unclear_answer_is_unknown_and_asking_tells")
class RepeatsWhatIsNotIdempotent(Vauchar):
    """No answer came, so it is sent once more, without a look whether the first one arrived."""

    def run(self, step: Step, deadline: Deadline) -> Receipt:
        try:
            return super().run(step, deadline)
        except OutcomeUnknown:
            return super().run(step, deadline)


@caught_by("test_what_is_repeated_under_one_key_happens_once")
class ForgetsWhatItDid(Memory):
    """It says that repeats are safe, and keeps no record of what was done."""

    def _receipt(self, step: Step) -> Receipt | None:
        return None


@caught_by("test_issuing_again_under_one_key_makes_no_second_card")
class IssuesTwice(Memory):
    """A repeat makes a second card."""

    def issue(self, new: NewCard, deadline: Deadline) -> IssuedCard:
        return super().issue(replace(new, key=str(uuid4())), deadline)


@caught_by("test_equal_payments_of_two_providers_are_told_apart")
class FindsAPaymentByItsAmount(LightrailV2):
    """What looks like the step is taken for it, whoever made it."""

    def ask(self, step: Step, deadline: Deadline) -> Receipt | None:
        of_card = self.statement(deadline.remaining_seconds(), step.card_id)
        alike = (line.receipt for line in of_card if (line.verb, line.amount) == (step.verb, step.amount))
        return next(alike, None)


@caught_by("test_an_account_is_named_alike_under_another_key")
class NamesTheAccountByItsKey(LightrailV2):
    """A new key is a new account, which knows nothing of what was done under the old one."""

    def account(self) -> Sequence[str]:
        return (*super().account(), self.options.api_key)


@caught_by("test_providers_with_the_same_options_name_one_account")
class NamesTheAccountByTheProvider(LightrailV2):
    """Two providers promise one card's money twice."""

    def account(self) -> Sequence[str]:
        return (self.provider_id,)


@caught_by("test_what_another_provider_did_cannot_be_called_ones_own")
class BelievesAnyReference(LightrailV2):
    """Whatever a person names is taken for the step."""

    def look_up(self, step: Step, reference: str, deadline: Deadline) -> Receipt:
        return Receipt(reference)


@caught_by("test_what_is_acted_on_by_its_id_is_confirmed_with_it")
class EndsNoHoldThatAPersonConfirmed(LightrailV2):
    """A person need not name the hold, and without its id nothing can end it."""

    needs_reference = frozenset()
