"""The model at a point, written for transformers and PEFT."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy.typing as npt
import torch

from contlm import checkpoint_io
from contlm._native import __version__
from contlm.broadcast import Floats, stand
from contlm.options import positive_or_zero, saved_dtype
from contlm.point import Point
from contlm.standing import Standing


class Exporting(Standing):
    """Checkpoints and adapters of a point."""

    def save_merged(
        self,
        directory: str | os.PathLike[str],
        *,
        alpha: Mapping[str, float] | float | None = None,
        lam: Mapping[str, float] | float | None = None,
        point: Point | None = None,
        coeffs: npt.ArrayLike | None = None,
        dtype: str | torch.dtype | None = None,
    ) -> None:
        """Writes the model at a point as a HuggingFace checkpoint that transformers loads, with
        config and tokenizer.

        dtype: "float32", "bfloat16" or "float16"; None keeps the checkpoint's. The folder appears
        whole or not at all. FileExistsError unless `directory` is new, empty or an earlier export.
        """
        row, note = self._export_point("save_merged", alpha, lam, point, coeffs)
        saved = saved_dtype(dtype)
        with checkpoint_io.export_folder(directory, note) as folder:
            untied = self._engine.save_merged(folder, row, saved)
            config = checkpoint_io.merged_config(self._source.config_text, saved, untied)
            (folder / "config.json").write_text(config, encoding="utf-8")
            checkpoint_io.write_companions(self._source, folder)

    def save_adapter(
        self,
        directory: str | os.PathLike[str],
        *,
        alpha: Mapping[str, float] | float | None = None,
        lam: Mapping[str, float] | float | None = None,
        point: Point | None = None,
        coeffs: npt.ArrayLike | None = None,
        rank: int | None = None,
    ) -> None:
        """Writes the model's difference from its base at a point as one PEFT adapter.

        rank: None is exact, by concatenation of the anchors' factors; a number truncates to the
        best approximation of that rank (QR, then SVD). The folder appears whole or not at all;
        FileExistsError as for save_merged.
        """
        row, note = self._export_point("save_adapter", alpha, lam, point, coeffs)
        truncated = positive_or_zero("rank", rank)
        with checkpoint_io.export_folder(directory, note) as folder:
            self._engine.save_adapter(folder, row, truncated)
            checkpoint_io.complete_adapter_config(folder, self._source.name)

    def _export_point(
        self,
        what: str,
        alpha: Mapping[str, float] | float | None,
        lam: Mapping[str, float] | float | None,
        point: Point | None,
        coeffs: npt.ArrayLike | None,
    ) -> tuple[Floats, dict[str, Any]]:
        """The row [K] to export, and what the folder's note says of it."""
        if alpha is None and point is None and coeffs is None:
            raise ValueError(
                f"{what}: needs the point to stand at; give alpha= (and lam=), point= or coeffs="
            )
        row = stand(self._attributes, 1, alpha, lam, point, coeffs)[0][0]
        note = {
            "contlm": __version__,
            "base": self._source.name,
            "coefficients": dict(zip(self.anchors, row.tolist(), strict=True)),
        }
        return row, note
