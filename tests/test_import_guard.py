"""An incompatible torch is refused at import, in words; and importing stays light."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import contlm
import pytest
from contlm._common.torch_guard import major_minor, require_matching_torch

PACKAGE_PARENT = str(Path(contlm.__file__).parent.parent)


def python(code: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [PACKAGE_PARENT, os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=120,
    )


@pytest.mark.parametrize("found", ["2.11.0", "2.11.1+cu130", "3.13.0", "2.14.0a0+git123"])
def test_another_minor_is_refused(found: str) -> None:
    with pytest.raises(ImportError) as caught:
        require_matching_torch("2.13.0+cpu", found)
    message = str(caught.value)
    assert "2.13.0+cpu" in message and found in message
    assert "pip install 'torch==2.13.*'" in message and "--no-build-isolation" in message


@pytest.mark.parametrize("found", ["2.13.0", "2.13.4+cu130", "2.13.0a0+gitabc"])
def test_the_same_minor_passes(found: str) -> None:
    require_matching_torch("2.13.0+cpu", found)
    assert major_minor(found) == (2, 13)


def test_import_itself_refuses() -> None:
    done = python(
        """
        import torch
        torch.__version__ = "1.4.0"
        import contlm
        """
    )
    assert done.returncode == 1
    assert "ImportError: contlm was built against torch" in done.stderr and "1.4.0" in done.stderr


def test_import_is_light() -> None:
    done = python(
        """
        import sys, contlm, contlm.cli
        heavy = {"pandas", "matplotlib", "transformers", "peft", "huggingface_hub", "contlm.zoo"}
        print(sorted(heavy & set(sys.modules)))
        """
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_the_public_names() -> None:
    for name in contlm.__all__:
        if name != "zoo":
            assert getattr(contlm, name) is not None
    assert issubclass(contlm.AdapterError, ValueError)
    assert issubclass(contlm.CheckpointError, ValueError)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = contlm.nothing
