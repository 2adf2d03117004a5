"""The image runs without rights, on files that it cannot write to: so its own commands run here."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.app.commands import PROVIDERS, ask, free_port, wait_for
from tests.conftest import MEMORY
from tests.deploy.checkers import checker
from tests.docs.documents import ROOT

TEXT = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
IMAGE = TEXT.rpartition("\nFROM ")[2]

# What compose.yaml and the Deployment let the service write to, beside /dev/shm.
WRITABLE = ("/var/lib/giftbridge", "/run/giftbridge")

# Root without its capabilities is bound by permissions like anybody. (Nobody else may find the interpreter.)
WITHOUT_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"] if os.geteuid() == 0 else []

PACKAGES = ("app", "giftbridge", "mappers", "providers")


def words(instruction: str) -> list[str]:
    """Return what an instruction in exec form runs."""
    (found,) = re.findall(rf"^{instruction}.*?(\[.*\])$", IMAGE, re.MULTILINE)
    return [str(word) for word in json.loads(found)]


def variables() -> dict[str, str]:
    (line,) = re.findall(r"^ENV (.*)$", IMAGE, re.MULTILINE)
    return dict(word.split("=", 1) for word in line.split())


def files(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


@dataclass
class Container:
    """The image's commands with its variables, bound by permissions, on code that nobody may write to."""

    folder: Path
    environment: dict[str, str]

    def start(self, command: list[str]) -> subprocess.Popen[bytes]:
        assert command[0] == "giftbridge"
        program = [*WITHOUT_RIGHTS, sys.executable, "-P", "-m", *command]
        return subprocess.Popen(program, env=self.environment, cwd="/", start_new_session=True)

    def exits_with(self, command: list[str]) -> int:
        return self.start(command).wait(60)


@pytest.fixture
def container() -> Iterator[Container]:
    folder = Path(mkdtemp(prefix="giftbridge-image-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))
    folder.chmod(0o755)
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / "code" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in WRITABLE:
        (folder / name[1:]).mkdir(parents=True)
    (folder / "etc/giftbridge").mkdir(parents=True)
    (folder / "etc/giftbridge/providers.toml").write_text(PROVIDERS)
    for path in (folder / "code", *(folder / "code").rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222 | 0o444)
    given = variables()
    given.pop("PATH")
    environment = {
        name: str(folder) + value if value.startswith(("/etc/", "/var/", "/run/")) else value
        for name, value in given.items()
    }
    environment |= {
        "GIFTBRIDGE_BIND": f"0.0.0.0:{free_port()}",
        "GIFTBRIDGE_WORKERS": "1",
        "GIFTBRIDGE_REDIS_TIMEOUT_SECONDS": "1",  # the cores may be busy
        "HOME": "/nonexistent",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(folder / "code"),
    }
    yield Container(folder, environment)
    for path in (folder / "code").rglob("*"):
        path.chmod(0o755)
    shutil.rmtree(folder)


HADOLINT = checker("hadolint")


def test_its_commands_run_without_rights_on_files_that_nobody_may_write(container: Container) -> None:
    health = words("HEALTHCHECK")
    code = files(container.folder / "code")
    assert container.exits_with(health) == 1, "nothing runs yet"
    service = container.start([*words("ENTRYPOINT"), *words("CMD")])
    try:
        wait_for(lambda: container.exits_with([*health, "--ready"]) == 0 or service.poll() is not None, 60)
        assert service.poll() is None
        assert container.exits_with(health) == 0
        assert container.exits_with(["giftbridge", "where"]) == 0, "a command in the container finds the service"
        port = int(container.environment["GIFTBRIDGE_BIND"].rpartition(":")[2])
        assert ask(port, "GET", "/-/health")[0] == 200
        (stop,) = re.findall(r"^STOPSIGNAL (\w+)$", IMAGE, re.MULTILINE)
        service.send_signal(signal.Signals[stop])
        assert service.wait(60) == 0, "it ends in good order"
    finally:
        if service.poll() is None:
            service.kill()
    assert files(container.folder / "code") == code


def test_it_cannot_write_to_its_code(container: Container) -> None:
    """So the test above can fail: what it says of the other files is true of these."""
    told = subprocess.run(
        [*WITHOUT_RIGHTS, "cp", "/dev/null", str(container.folder / "code/app/__init__.py")],
        capture_output=True,
        check=False,
    )
    assert told.returncode != 0


def test_what_it_is_made_of_goes_into_the_build_and_nothing_else() -> None:
    kept = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert {*PACKAGES, "requirements"} <= set(kept)
    assert all((ROOT / name).exists() for name in kept)
    needed = set(re.findall(r"requirements/[a-z]+\.txt", TEXT))
    assert needed
    assert all((ROOT / name).exists() for name in needed)


def test_it_is_not_root_and_every_command_is_in_exec_form() -> None:
    assert re.search(r"^USER (?!0)\d+:\d+$", IMAGE, re.MULTILINE)
    assert words("ENTRYPOINT") + words("CMD") == ["giftbridge", "serve"]


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed: make checkers")
def test_the_dockerfile_has_no_known_mistakes() -> None:
    judged = subprocess.run(
        [str(HADOLINT), "--no-color", str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout
