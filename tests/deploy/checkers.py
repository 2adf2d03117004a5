"""Programs that judge the files in deploy/."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def checker(name: str) -> str | None:
    """Return where a program is, beside the interpreter or anywhere else; None where it is not."""
    return shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
