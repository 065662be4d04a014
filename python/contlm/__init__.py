"""Continuous language-model interpolation: every model between and beyond your LoRA adapters."""

from __future__ import annotations

import torch as _torch

from contlm._build_info import TORCH_VERSION as _TORCH_VERSION
from contlm._torch_guard import require_matching_torch as _require_matching_torch

_require_matching_torch(_TORCH_VERSION, _torch.__version__)

from contlm import _ops as _ops  # noqa: E402
from contlm._native import AdapterError, CheckpointError, __version__  # noqa: E402
from contlm.classifier import Classifier  # noqa: E402
from contlm.generation import Generation  # noqa: E402
from contlm.interpolator import Interpolator  # noqa: E402
from contlm.point import Point  # noqa: E402
from contlm.sweep import Sweep  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contlm import analysis, grid, metrics, plot, train, zoo
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
    "grid",
    "metrics",
    "plot",
    "report",
    "train",
    "zoo",
]


def __getattr__(name: str) -> object:
    # pandas, matplotlib and the bundled models are loaded only for those who ask for them
    if name in ("analysis", "grid", "metrics", "plot", "train", "zoo"):
        import importlib

        return importlib.import_module(f"contlm.{name}")
    if name == "report":
        from contlm.reporting import report

        return report
    raise AttributeError(f"module 'contlm' has no attribute {name!r}")
