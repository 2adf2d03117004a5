"""Mappers that do a thing twice, or take two for one."""

from __future__ import annotations

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
