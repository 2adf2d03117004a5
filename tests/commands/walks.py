"""Runs the commands of a document as they stand, in one shell, on free ports."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.app.commands import environment, free_port
from tests.docs.documents import Document

# The ports that the documents write.
PORTS = re.compile(r"\b(?:287\d\d|8080)\b")

LONGEST_SECONDS = 240


def walk(page: Document, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run all commands of a page in `folder / "work"`, and return what they printed."""
    return run("\n".join(page.blocks("sh")), folder)


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in `folder / "work"`; what it leaves running is ended."""
    ports = {number: str(free_port()) for number in PORTS.findall(script)}
    script = PORTS.sub(lambda match: ports[match[0]], script)
    work, tools = folder / "work", folder / "bin"
    work.mkdir(exist_ok=True)
    tools.mkdir(exist_ok=True)
    for name, module in (("giftbridge", "-m giftbridge"), ("python", "")):
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        (tools / name).chmod(0o755)
    # Files, and no pipes: what a script that failed leaves running would keep a pipe open.
    with (folder / "stdout").open("w+") as output, (folder / "stderr").open("w+") as errors:
        process = subprocess.Popen(
            ["sh", "-eu", "-c", script],
            cwd=work,
            env=environment(BIND=f"127.0.0.1:{ports.get('8080', 0)}") | {"PATH": f"{tools}:{os.environ['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        try:
            status = process.wait(LONGEST_SECONDS)
        finally:
            if process.poll() != 0:
                # What it left running shares its group; the service stops its own.
                os.killpg(process.pid, signal.SIGTERM)
    told = [(folder / name).read_text() for name in ("stdout", "stderr")]
    return subprocess.CompletedProcess(script, status, *told)


def told(shell: subprocess.CompletedProcess[str], folder: Path) -> str:
    """Return what a walk printed, and what its service wrote."""
    logs = [path.read_text() for path in (folder / "work").glob("*.log")]
    return "\n".join([shell.stdout, shell.stderr, *logs])
