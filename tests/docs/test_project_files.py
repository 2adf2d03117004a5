"""The files beside the code agree with pyproject.toml and the Makefile."""

from __future__ import annotations

import re
import tomllib

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


def test_the_hooks_before_a_commit_are_the_tools_of_make_lint() -> None:
    hooks = re.findall(r"entry: \.venv/bin/(\w+)", (ROOT / ".pre-commit-config.yaml").read_text())
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    assert hooks == ["ruff", "ruff", "mypy"]
    assert set(hooks) <= set(re.findall(r"\$\(VENV\)/bin/(\w+)", lint))
