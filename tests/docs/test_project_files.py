"""The files beside the code agree with pyproject.toml and the Makefile."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import metadata

import pytest

from tests.docs.documents import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_license_is_there_in_full() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    for name in PROJECT["license-files"]:
        text = (ROOT / name).read_text()
        assert "Apache License" in text
        assert "END OF TERMS AND CONDITIONS" in text


def test_the_workflow_runs_every_version_of_python_that_is_supported() -> None:
    least, below = (int(minor) for minor in re.findall(r"3\.(\d+)", PROJECT["requires-python"]))
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    matrix = re.search(r"python: \[(.*)\]", workflow)
    assert matrix
    assert re.findall(r'"3\.(\d+)"', matrix[1]) == [str(minor) for minor in range(least, below)]
    assert "- run: .ci/run" in workflow


def locked(name: str) -> dict[str, str]:
    """Return the distributions of a lock with their versions; not those that only some systems need."""
    lines = re.findall(r"^([\w.-]+)==([^\s;]+)(.*)$", (ROOT / "requirements" / name).read_text(), re.MULTILINE)
    return {found: number for found, number, marker in lines if ";" not in marker}


def test_what_a_service_runs_is_installed_without_the_tools_of_the_tests() -> None:
    tools = {re.split(r"[>=<]", tool)[0] for extra in PROJECT["optional-dependencies"].values() for tool in extra}
    run, built, everything = locked("runtime.txt"), locked("build.txt"), locked("ci.txt")
    assert not tools & (run.keys() | built.keys())
    assert {re.split(r"[>=<]", needed)[0] for needed in PROJECT["dependencies"]} <= run.keys()
    assert (run | built).items() <= everything.items()  # what is tested is what runs
    install = (ROOT / "Makefile").read_text().partition("\n$(INSTALLED):")[2].partition("\n\n")[0]
    assert re.findall(r"requirements/(\w+)\.txt", install.partition("\n")[0]) == ["runtime", "build"]
    assert "ci.txt" not in install


@pytest.mark.parametrize("name", locked("runtime.txt"))
def test_the_license_of_what_a_service_runs_lets_it_run(name: str) -> None:
    told = metadata(name)
    lines = [line for field in ("License-Expression", "License", "Classifier") for line in told.get_all(field, [])]
    license_text = " ".join(line[:100] for line in lines if not re.match("(?!License)[A-Z].* ::", line))
    assert re.search(r"MIT|BSD|Apache|MPL|Mozilla|PSF|Python Software|Public Domain", license_text), license_text
    assert not re.search(r"\bA?GPL|Affero", license_text)


def test_the_hooks_before_a_commit_are_the_tools_of_make_lint() -> None:
    hooks = re.findall(r"entry: \.venv/bin/(\w+)", (ROOT / ".pre-commit-config.yaml").read_text())
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    assert hooks == ["ruff", "ruff", "mypy"]
    assert set(hooks) <= set(re.findall(r"\$\(VENV\)/bin/(\w+)", lint))
