"""How a sandbox is to misbehave: at which request, in which way, how often."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, get_args
from typing import Literal as OneOf

FaultKind = OneOf[
    "drop_before", "drop_after", "delay_before", "delay_after", "status", "status_after",
    "junk", "same_page", "slow_body", "slow_headers",
]  # fmt: skip


@dataclass(slots=True)
class Fault:
    """One way to misbehave, for the next `times` requests it matches after letting `skip` of them pass.

    With `lasts_seconds`, it is over so long after it was planned, whoever asked meanwhile.

    drop_before, drop_after    hang up without an answer; before or after the request had its effect
    delay_before, delay_after  wait `seconds` before the effect, or between the effect and its answer
    status, status_after       answer `status`, `headers` and `body`; without the effect, or after it
    same_page                  answer what was answered to the first request of this path since the fault was planned,
                               whatever its query asks for
    junk                       after the effect, answer 2xx with a body that is not JSON
    slow_body, slow_headers    after the effect, send the answer's body, or all of it, a byte every `seconds`
    """

    kind: FaultKind
    method: str | None = None
    path: str | None = None  # a regular expression, searched in the path with its query as it was sent
    times: int = 1
    skip: int = 0
    seconds: float = 0.0
    status: int = 500
    headers: dict[str, str] | None = None
    body: Any = None  # text is sent as it is, anything else as JSON
    lasts_seconds: float | None = None
    over_at: float | None = field(init=False)

    def __post_init__(self) -> None:
        self.over_at = None if self.lasts_seconds is None else monotonic() + self.lasts_seconds

    @property
    def is_over(self) -> bool:
        return self.over_at is not None and monotonic() >= self.over_at

    def matches(self, method: str, path: str) -> bool:
        return self.method in (None, method) and (self.path is None or re.search(self.path, path) is not None)


class FaultPlan:
    """The faults still to come, first added first served; one request meets one fault at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(
        self,
        kind: FaultKind,
        *,
        method: str | None = None,
        path: str | None = None,
        times: int = 1,
        skip: int = 0,
        seconds: float = 0.0,
        status: int = 500,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        lasts_seconds: float | None = None,
    ) -> None:
        """Plan a fault; see Fault for the fields. Raises ValueError for an unknown kind or a broken `path`."""
        if kind not in get_args(FaultKind):
            raise ValueError(f"kind must be one of {', '.join(get_args(FaultKind))}")
        try:
            re.compile(path or "")
        except re.error as error:
            raise ValueError(f"path is not a regular expression: {error}") from error
        planned_headers = None if headers is None else dict(headers)
        fault = Fault(kind, method, path, times, skip, seconds, status, planned_headers, body, lasts_seconds)
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def repeats_pages(self) -> bool:
        """Tell whether a `same_page` is still to come: first answers must be remembered for it."""
        return any(fault.kind == "same_page" for fault in self.pending())

    def pending(self) -> list[Fault]:
        """Return the faults that have not all happened yet."""
        with self._lock:
            self._faults = [fault for fault in self._faults if not fault.is_over]
            return list(self._faults)

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault this request meets, and count it."""
        with self._lock:
            for fault in self._faults:
                if fault.is_over or not fault.matches(method, path):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                return fault
        return None
