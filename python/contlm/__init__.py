"""Continuous language-model interpolation: every model between and beyond your LoRA adapters."""

from __future__ import annotations

import torch as _torch

from contlm._build_info import TORCH_VERSION as _TORCH_VERSION
from contlm._torch_guard import require_matching_torch as _require_matching_torch

_require_matching_torch(_TORCH_VERSION, _torch.__version__)

from contlm import _ops as _ops  # noqa: E402
from contlm._native import AdapterError, CheckpointError, __version__  # noqa: E402

__all__ = ["AdapterError", "CheckpointError", "__version__"]
