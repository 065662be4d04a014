"""What explore asks of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from contlm.companions import Companions
    from contlm.generation import Generation


class Model(Protocol):
    """A model that is written with and asked how likely texts are; `contlm.Interpolator` is one."""

    @property
    def attributes(self) -> tuple[str, ...]: ...
    @property
    def companions(self) -> Companions | None: ...
    @property
    def engine(self) -> Any: ...
    @property
    def tokenizer(self) -> Any: ...
    @property
    def dtype(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def context_length(self) -> int: ...
    @property
    def generate(self) -> Callable[..., Generation]: ...
    @property
    def conditional_perplexity(self) -> Callable[..., npt.NDArray[np.float64]]: ...
