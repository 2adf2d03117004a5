"""The wheel that `pip install .` and `pipx install .` build is all that the command needs, in any folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from sysconfig import get_path

import pytest

from .commands import ROOT, ask, free_port, ready, wait_for

pytestmark = pytest.mark.long

OFFLINE = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]


@dataclass(frozen=True, slots=True)
class Installed:
    """The wheel in a virtual environment of its own."""

    command: Path
    environment: dict[str, str]

    def run(self, folder: Path, *arguments: str) -> str:
        command = [str(self.command), *arguments]
        ran = subprocess.run(
            command, cwd=folder, env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    @contextmanager
    def demo(self, folder: Path) -> Iterator[int]:
        """Yield the port of a demo that runs in `folder`."""
        port, log = free_port(), folder / "output.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(self.command), "demo", "--port", str(port)],
                cwd=folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_for(lambda: ready(port) or process.poll() is not None, 60)
            assert process.poll() is None, log.read_text()
            yield port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    # Building writes beside the sources.
    left_out = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "tests")
    shutil.copytree(ROOT, folder / "source", ignore=left_out)
    pip = [sys.executable, "-m", "pip"]
    wheel = [*pip, "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "source")]
    subprocess.run(wheel, check=True, capture_output=True)
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    [built] = folder.glob("*.whl")
    python = str(venv / "bin" / "python")
    subprocess.run([*pip, "--python", python, "install", *OFFLINE, str(built)], check=True)
    # What giftbridge depends on is installed here already; this checkout is not found that way.
    [packages] = venv.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(get_path("purelib"))
    unwanted = ("GIFTBRIDGE_", "PYTHON", "PIP_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    return Installed(venv / "bin" / "giftbridge", environment)


def test_it_brings_four_packages_and_no_loose_module(installed: Installed) -> None:
    [packages] = installed.command.parents[1].glob("lib/python*/site-packages")
    brought = {path.name for path in packages.iterdir() if path.suffix not in (".dist-info", ".pth")}
    assert brought == {"app", "giftbridge", "mappers", "providers"}


def test_its_commands_work_in_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    assert "Usage: giftbridge" in installed.run(tmp_path, "--help")
    assert "lightrail_v2" in installed.run(tmp_path, "mappers")
    installed.run(tmp_path, "mappers", "new", "acme", "--package")
    assert (tmp_path / "giftbridge-acme" / "pyproject.toml").is_file()


@pytest.mark.parametrize("stranger", [None, "wsgi.py"])
def test_it_serves_in_any_folder(installed: Installed, tmp_path: Path, stranger: str | None) -> None:
    if stranger is not None:
        (tmp_path / stranger).write_text("raise RuntimeError('a stranger in this folder was imported')")
    with installed.demo(tmp_path) as port:
        status, text = ask(port, "GET", "/demo-memory/giftcards/a-card")
        assert (status, text) == (403, "")
