"""The console of a service that runs: beside the protocol, or at an address of its own alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.app.commands import MODULE, ask, environment, free_port, serving


@pytest.mark.parametrize("apart", [False, True])
def test_a_user_made_at_the_command_line_finds_the_console_where_the_settings_say(tmp_path: Path, apart: bool) -> None:
    own = free_port() if apart else None
    settings = {"DATA": str(tmp_path / "data"), **({"CONSOLE_BIND": f"localhost:{own}"} if own else {})}
    with serving(tmp_path, **settings) as (command, port):
        there, elsewhere = own or port, port if own else None
        assert ask(there, "GET", "/-/console/sign-in")[0] == 404, "there is no user yet"
        made = subprocess.run(
            [*MODULE, "users", "add", "ana", "--role", "owner", "--json"],
            cwd=tmp_path,
            env=environment(BIND=f"127.0.0.1:{port}", **settings),
            capture_output=True,
            text=True,
            check=True,
        )
        start, _, path = json.loads(made.stdout)["link"].partition("/-/console")
        assert start == (f"http://localhost:{own}" if own else f"http://127.0.0.1:{port}")
        status, page = ask(there, "GET", f"/-/console{path}")
        assert (status, "Choose a password" in page) == (200, True)
        assert ask(there, "GET", "/-/console")[0] in (303, 308)
        assert ask(port, "GET", "/-/ready")[0] == 200
        assert path.rpartition("/")[2] not in command.output, "whoever has the link could be ana"
        assert "/invitation/<name>/<secret>" in command.output
        if elsewhere:
            assert ask(elsewhere, "GET", f"/-/console{path}")[0] == 404
            assert ask(there, "GET", "/")[0] == 302
            for hidden in ("/-/ready", "/acme/giftcards/a-card", "//-/ready", "/-/console/../ready"):
                assert ask(there, "GET", hidden)[0] == 404, hidden
