"""A call whose answer was lost is asked about, and told again where its key makes that safe, while there is time."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from mappers.base import Mapper, MapperError, OutcomeUnknown, Receipt, Step
from mappers.deadline import Deadline

log = structlog.get_logger()

# A request asks at once, and again after each of these, while it has time.
PAUSES_SECONDS = (0.1, 0.2, 0.4, 0.8, 1.6, 3.0)


class LostAnswer:
    """A step that was sent and had no clear answer.

    `answered`: whatever was sent for it had some answer, so nothing is still on its way. Without a caller who `wants`
    it the backend is asked once, and told nothing. `certain`: nothing that earlier attempts sent can still arrive.
    """

    def __init__(
        self,
        mapper: Mapper,
        step: Step,
        sleep: Callable[[float], None],
        *,
        answered: bool,
        wanted: bool,
        certain: bool,
    ) -> None:
        self._mapper = mapper
        self._step = step
        self._sleep = sleep
        self._wanted = wanted
        self._certain = certain
        self._waited_seconds = 0.0  # since the last answer
        self.answered = answered

    def find(self, deadline: Deadline) -> Receipt | None:
        """Return the step's receipt, None where it did not show while there was time.

        Raises Refused or BackendUnavailable only where the step certainly did not happen.
        """
        for pause in (0.0, *PAUSES_SECONDS):
            if pause and (not self._wanted or pause >= deadline.remaining_seconds()):
                break
            self._sleep(pause)
            self._waited_seconds += pause
            receipt = self._ask_or_repeat(deadline)
            if receipt is not None:
                return receipt
        return None

    @property
    def _silence_is_final(self) -> bool:
        """Tell whether "no trace of it" means by now that it did not happen."""
        return self._certain and self.answered and self._waited_seconds > self._mapper.read_lag_seconds

    def _ask_or_repeat(self, deadline: Deadline) -> Receipt | None:
        try:
            receipt = self._mapper.ask(self._step, deadline)
        except MapperError:
            return None
        if receipt is not None or not self._wanted:
            return receipt
        if self._silence_is_final:
            return self._send_anew(deadline)
        if self._mapper.repeatable:
            return self._repeat(deadline)
        return None

    def _send_anew(self, deadline: Deadline) -> Receipt | None:
        """Send what did not happen, as if for the first time: a refusal counts."""
        try:
            return self._mapper.run(self._step, deadline)
        except OutcomeUnknown as unknown:
            self.answered = unknown.answered
            self._waited_seconds = 0.0
            return None

    def _repeat(self, deadline: Deadline) -> Receipt | None:
        try:
            return self._mapper.run(self._step, deadline)
        except OutcomeUnknown as unknown:
            self.answered = self.answered and unknown.answered
            self._waited_seconds = 0.0
        except MapperError as error:
            # Not even a refusal tells anything yet: what was sent first may still arrive.
            log.info("not believed yet", key=self._step.key, reason=str(error))
        return None
