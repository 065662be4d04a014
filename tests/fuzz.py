"""Runs a fuzzing loop in a process of its own, so that a crash is seen as one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def run_fuzz(worker: str, folder: Path, count: int) -> dict[str, int]:
    """What `tests/<worker> folder count` counted; an assertion error with its output when it
    failed."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(worker)), str(folder), str(count)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)
