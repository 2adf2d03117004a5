"""A signal that ends the command interrupts it: what was debited is given back first."""

from __future__ import annotations

import os
import signal
from wsgiref.types import StartResponse, WSGIEnvironment

from click.testing import CliRunner

from app.commands.cli import main
from mappers.exact_json import decode
from tests.certify.provider import CODE, KEY, TOKEN, Provider
from tests.certify.served import served


def test_a_command_that_is_told_to_end_gives_back_and_says_that_it_was_interrupted() -> None:
    provider = Provider()
    seen: list[int] = []

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        answer = list(provider(environ, start_response))
        if provider.cents == 0 and not seen:
            seen.append(provider.cents)
            os.kill(os.getpid(), signal.SIGTERM)
        return answer

    before = signal.getsignal(signal.SIGTERM)
    with served(application) as url:
        arguments = ["certify", url, "--app-key", KEY, "--app-token-stdin", "--code-stdin", "--json"]
        result = CliRunner().invoke(main, [*arguments, "--only", "MONEY-1,MONEY-2"], input=f"{TOKEN}\n{CODE}\n")
    report = decode(result.stdout.encode())
    assert (seen, provider.cents, result.exit_code) == ([0], 100, 1)
    assert (report["interrupted"], report["checks"], report["not_given_back"]) == (True, [], [])
    assert signal.getsignal(signal.SIGTERM) is before
