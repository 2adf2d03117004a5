"""Registration in a process that is killed (SIGKILL) at each of its calls to the Hub, before and after its effect."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from flask import request

from app.admin.providers.plans import plan_registration
from app.admin.providers.registration import register
from mappers.sandbox import CONTROL, Sandbox
from providers.hub import sandbox as hub_sandbox
from providers.hub.client import GiftCardHub
from providers.hub.sandbox_model import Account
from tests.admin.conftest import IMPATIENT, Service
from tests.admin.test_registration import assert_the_store_works

SCRIPT = """
import sys
from pathlib import Path
from app.admin.providers.plans import plan_registration
from app.admin.providers.probe import Patience
from app.admin.providers.provider_file import ProviderFile
from app.admin.providers.registration import open_hub, register
hub, file = open_hub("store"), ProviderFile(Path(sys.argv[1]))
register(plan_registration(hub, file, "acme"), hub, file, patience=Patience(5, 0.05, 0.02))
"""

# plan: list; register: list, save the native, put ours, list again
HUB_CALLS = 5


class Killer:
    """Kills the child at one of its calls to the Hub, and lets nothing of that call out again."""

    def __init__(self, app: Any, number: int, *, after: bool) -> None:
        self.child: subprocess.Popen[bytes] | None = None
        self.started = threading.Event()
        self.calls = 0
        self._at = number
        if after:
            app.after_request(self._after)
        else:
            app.before_request(self._before)

    def _before(self) -> Any:
        self._count()
        return ("", 503) if self.calls == self._at else None

    def _after(self, response: Any) -> Any:
        self._count()
        return response

    def _count(self) -> None:
        if request.path.startswith(CONTROL):
            return
        self.calls += 1
        if self.calls == self._at:
            self.started.wait(10)
            assert self.child is not None
            os.kill(self.child.pid, signal.SIGKILL)
            self.child.wait()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", range(1, HUB_CALLS + 1))
def test_killed_at_any_call_the_store_works_and_a_repeat_finishes(
    service: Service, hub: GiftCardHub, hub_server: Sandbox, account: Account, number: int, after: bool
) -> None:
    killer = Killer(hub_server.app, number, after=after)
    environment = os.environ | {
        "GIFTBRIDGE_HUB_URL": f"{hub_server.url}/{{account}}",
        "VTEX_APP_KEY": hub_sandbox.APP_KEY,
        "VTEX_APP_TOKEN": hub_sandbox.APP_TOKEN,
    }
    killer.child = subprocess.Popen([sys.executable, "-c", SCRIPT, str(service.file.path)], env=environment)
    killer.started.set()
    assert killer.child.wait(60) == -signal.SIGKILL
    assert_the_store_works(service, account)
    done = register(plan_registration(hub, service.file, "acme"), hub, service.file, patience=IMPATIENT)
    assert account.registered["acme"]["appKey"] == done.app_key
    assert_the_store_works(service, account)
