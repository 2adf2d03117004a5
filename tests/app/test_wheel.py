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
from zipfile import ZipFile

import pytest

from .commands import ROOT, ask, free_port, ready, wait_for

pytestmark = pytest.mark.long

OFFLINE = ["--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]


@dataclass(frozen=True, slots=True)
class Installed:
    """The wheel in a virtual environment of its own."""

    command: Path
    wheel: Path
    environment: dict[str, str]

    def run(self, folder: Path, *arguments: str) -> str:
        command = [str(self.command), *arguments]
        ran = subprocess.run(
            command, cwd=folder, env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    @property
    def python(self) -> str:
        return str(self.command.with_name("python"))

    @property
    def packages(self) -> Path:
        [packages] = self.command.parents[1].glob("lib/python*/site-packages")
        return packages

    @contextmanager
    def beside(self, folder: Path, name: str, files: dict[str, str]) -> Iterator[None]:
        """Have pip install another distribution with `files`, and giftbridge after it once more."""
        project = folder / name
        project.mkdir()
        for path, text in files.items():
            (project / path).write_text(text)
        modules = [Path(path).stem for path in files]
        (project / "pyproject.toml").write_text(
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
            f'[project]\nname = "{name}"\nversion = "1"\n'
            f"[tool.hatch.build.targets.wheel]\nonly-include = {[f'{module}.py' for module in modules]}\n"
        )
        pip = [sys.executable, "-m", "pip", "--python", self.python]
        install = [*pip, "install", *OFFLINE, "--no-build-isolation", "--force-reinstall"]
        build = [sys.executable, "-m", "pip", "wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", str(folder)]
        subprocess.run([*build, str(project)], check=True, capture_output=True)
        subprocess.run([*install, *map(str, folder.glob("*.whl"))], check=True, capture_output=True)
        subprocess.run([*install, str(self.wheel)], check=True, capture_output=True)
        try:
            yield
        finally:
            subprocess.run([*pip, "uninstall", "--quiet", "--yes", name], check=True, capture_output=True)

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
    unwanted = ("GIFTBRIDGE_", "PYTHON", "PIP_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    found = Installed(venv / "bin" / "giftbridge", built, environment)
    (found.packages / "dependencies.pth").write_text(get_path("purelib"))
    return found


def test_it_brings_one_package_and_a_path_for_type_checkers(installed: Installed) -> None:
    brought = {path.name for path in installed.packages.iterdir() if path.suffix != ".dist-info"}
    assert brought == {"giftbridge", "giftbridge.pth", "dependencies.pth"}


def test_it_has_every_file_of_the_packages(installed: Installed) -> None:
    with ZipFile(installed.wheel) as wheel:
        shipped = {name.removeprefix("giftbridge/_packages/") for name in wheel.namelist()}
    for top in ("app", "mappers", "providers"):
        files = {path for path in (ROOT / top).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
        assert {str(path.relative_to(ROOT)) for path in files} <= shipped


def test_the_author_of_a_mapper_has_its_types(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "acme.py").write_text(
        "from giftbridge.mapper import Card, Mapper\n"
        "class Acme(Mapper): ...\n"
        "def balance(card: Card) -> str:\n"
        "    return card.balance\n"
    )
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", installed.python, "acme.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Found 1 error" in checked.stdout
    assert 'Incompatible return value type (got "int", expected "str")' in checked.stdout


@pytest.mark.parametrize("name", ["app", "mappers", "providers"])
def test_another_distribution_s_package_of_the_same_name_stays_and_is_not_run(
    installed: Installed, tmp_path: Path, name: str
) -> None:
    other = f"{name}.py", f"class Theirs: pass\nwith open({str(tmp_path / 'was-run')!r}, 'w'): pass\n"
    with installed.beside(tmp_path, "stranger", dict([other])):
        assert "lightrail_v2" in installed.run(tmp_path, "mappers")
        with installed.demo(tmp_path) as port:
            assert ask(port, "GET", "/demo-memory/giftcards/a-card") == (403, "")
        assert not (tmp_path / "was-run").exists()
        subprocess.run([installed.python, "-c", f"from {name} import Theirs"], cwd=tmp_path, check=True)


def test_it_has_the_pages_of_the_console_with_their_texts_and_styles(installed: Installed) -> None:
    console = installed.packages / "giftbridge" / "_packages" / "app" / "console"
    for folder, suffix in (
        ("templates", "html"),
        ("static", "css"),
        ("static/vendor/htmx", "js"),
        ("translations", "po"),
    ):
        here = sorted((ROOT / "app" / "console" / folder).rglob(f"*.{suffix}"))
        there = [console / path.relative_to(ROOT / "app" / "console") for path in here]
        assert here
        assert [path.read_bytes() for path in there] == [path.read_bytes() for path in here]


def test_its_commands_work_in_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    assert "Usage: giftbridge" in installed.run(tmp_path, "--help")
    assert "lightrail_v2" in installed.run(tmp_path, "mappers")
    installed.run(tmp_path, "mappers", "new", "acme", "--package")
    assert (tmp_path / "giftbridge-acme" / "pyproject.toml").is_file()


def test_it_serves_in_a_folder_that_has_other_packages_of_the_same_names(installed: Installed, tmp_path: Path) -> None:
    for name in ("app", "mappers", "providers", "wsgi"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('a stranger in this folder was imported')")
    with installed.demo(tmp_path) as port:
        status, text = ask(port, "GET", "/demo-memory/giftcards/a-card")
        assert (status, text) == (403, "")


def test_another_project_certifies_its_provider_with_pytest(installed: Installed, tmp_path: Path) -> None:
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n")
    for name in ("app", "mappers", "providers"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('a stranger in this folder was imported')")
    with installed.demo(tmp_path) as port:
        arguments = ["-m", "pytest", "-p", "no:cacheprovider", "--certify-url", f"http://127.0.0.1:{port}/demo-memory"]
        ran = subprocess.run(
            [installed.python, *arguments, "--certify-app-key", "demo-key", "--certify-only", "AUTH,MONEY-1"],
            cwd=tmp_path,
            env={**installed.environment, "CERTIFY_APP_TOKEN": "demo-token", "CERTIFY_CODE": "MEMORY-ACTIVE-10"},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert (ran.returncode, "27 passed" in ran.stdout) == (0, True), ran.stdout
