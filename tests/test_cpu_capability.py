"""CONTLM_CPU_CAPABILITY is read once per process, so each reading has a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from contlm._native import _testing

ASK = "from contlm import _native; print(_native.cpu_capability())"


def ask(value: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CONTLM_CPU_CAPABILITY": value}
    return subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["", "default"])
def test_variable_chooses(name: str) -> None:
    answer = ask(name)
    assert answer.stdout.strip() == (name or _testing.cpu_capabilities()[-1]), answer.stderr


def test_unknown_is_an_error_that_lists_the_choices() -> None:
    answer = ask("sse9")
    assert answer.returncode != 0
    assert (
        "ValueError: CONTLM_CPU_CAPABILITY: must be one of what this processor runs (default"
        in (answer.stderr)
    )
    assert "got 'sse9'" in answer.stderr


def test_set_for_tests_refuses_alike() -> None:
    with pytest.raises(ValueError, match="got 'sse9'"):
        _testing.set_cpu_capability("sse9")
