"""Whatever lies in the working folder, giftbridge runs its own code, in every process.

Python itself looks for the modules of `python -m` in the working folder: a folder called giftbridge there is what was
asked for. PYTHONPATH is obeyed, too.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .commands import PROVIDERS, environment, free_port, ready, running, wait_for

# What projects call their own packages and files, what gunicorn looks for, and what we import ourselves.
STRANGERS = (
    "app/__init__.py",
    "mappers/__init__.py",
    "providers/__init__.py",
    "gunicorn/__init__.py",
    "gunicorn.conf.py",
    "wsgi.py",
    "click.py",
    "flask.py",
    "redis.py",
    "usercustomize.py",
)

# As a stranger starts it: nothing is said about where our code is.
PROGRAMS = {
    "command": ("env", "PYTHONPATH=", str(Path(sys.executable).with_name("giftbridge"))),
    "module": ("env", "PYTHONPATH=", sys.executable, "-m", "giftbridge"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with a providers.toml, and with code that leaves a trace when it is run."""
    (tmp_path / "providers.toml").write_text(PROVIDERS)
    for name in STRANGERS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        trace = str(tmp_path / "was-run")
        (tmp_path / name).write_text(f"open({trace!r}, 'a').write({name!r})\nraise ImportError('a stranger')\n")
    return tmp_path


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_the_service_runs_none_of_its_code(
    folder: Path, program: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    # gunicorn's own ways to be told where code is: nobody but giftbridge steers it.
    monkeypatch.setenv("GUNICORN_CMD_ARGS", f"--chdir {folder} --pythonpath {folder}")
    serve = ("serve", "--bind", f"127.0.0.1:{port}", "--workers", "1")
    with running(*serve, cwd=folder, program=program) as command:
        wait_for(lambda: command.process.poll() is not None or ready(port))
        assert command.process.poll() is None, command.output
    assert not (folder / "was-run").exists()


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
@pytest.mark.parametrize("arguments", [("providers", "list"), ("mappers",)])
def test_no_command_runs_its_code(folder: Path, program: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    ran = subprocess.run(
        [*program, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert not (folder / "was-run").exists()


def test_another_package_of_the_same_name_that_is_imported_already_is_named(tmp_path: Path) -> None:
    (tmp_path / "mappers.py").write_text("")
    refused = subprocess.run(
        [sys.executable, "-c", "import mappers, giftbridge.mapper"],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert f"giftbridge needs its own package mappers, and {tmp_path / 'mappers.py'}" in refused.stderr
