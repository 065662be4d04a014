"""Continuous language-model interpolation: every model between and beyond your LoRA adapters."""

from __future__ import annotations

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING

import torch as _torch

from contlm._build_info import TORCH_VERSION as _TORCH_VERSION
from contlm._common.torch_guard import require_matching_torch as _require_matching_torch

_require_matching_torch(_TORCH_VERSION, _torch.__version__)

from contlm._common import fake_kernels as _fake_kernels  # noqa: E402, F401
from contlm._native import AdapterError, CheckpointError, __version__, build_info  # noqa: E402
from contlm.interpolator import Interpolator  # noqa: E402
from contlm.model.classifier import Classifier  # noqa: E402
from contlm.model.generation import Generation  # noqa: E402
from contlm.points.point import Point  # noqa: E402
from contlm.sweep import Sweep  # noqa: E402

if _TYPE_CHECKING:
    from contlm import analysis, cli, explore, grid, metrics, plot, train, zoo
    from contlm.reporting import report

__all__ = [
    "AdapterError",
    "CheckpointError",
    "Classifier",
    "Generation",
    "Interpolator",
    "Point",
    "Sweep",
    "__version__",
    "analysis",
    "build_info",
    "cli",
    "explore",
    "grid",
    "metrics",
    "plot",
    "report",
    "train",
    "zoo",
]

# pandas, matplotlib and the bundled models are loaded only for those who ask for them
_LAZY = ("analysis", "cli", "explore", "grid", "metrics", "plot", "train", "zoo")


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return _importlib.import_module(f"contlm.{name}")
    if name == "report":
        from contlm.reporting import report

        return report
    raise AttributeError(f"module 'contlm' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
