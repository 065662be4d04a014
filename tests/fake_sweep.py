"""Stand-ins for contlm.Sweep with its columns, made in milliseconds: scores follow the points by a
known rule, so that what is drawn and computed can be checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from contlm import Point
from contlm.grid import Grid

PROMPTS = ("The train left at nine and", 'Once <b>bold</b> & "brave",', "Émile said: 你好")


@dataclass
class FakeSweep:
    frame: pd.DataFrame
    summary: pd.DataFrame
    points: list[Point]
    grid: Grid
    manifest: dict[str, Any] = field(default_factory=dict)
    complete: bool = True


def pull(point: Point, attribute: str) -> float:
    """lambda (2 alpha - 1): 1 at the high anchor, -1 at the low one, 0 at the base."""
    alpha, lam = dict(point.alpha), dict(point.lam)  # type: ignore[arg-type]
    return lam.get(attribute, 0.0) * (2 * alpha.get(attribute, 0.5) - 1)


def true_score(point: Point, attribute: str) -> float:
    return float(1 / (1 + np.exp(-2.0 * pull(point, attribute))))


def far(point: Point) -> float:
    """How far beyond its anchors a point lies: 0 within |pull| <= 1."""
    return sum(max(0.0, abs(pull(point, a)) - 1) for a in point.alpha)  # type: ignore[union-attr]


def true_perplexity(point: Point) -> float:
    """5 between the anchors, and steeply more beyond."""
    return float(5 * np.exp(0.3 * far(point)))


def true_base_perplexity(point: Point) -> float:
    """3 between the anchors, and more beyond, though less steeply than true_perplexity."""
    return float(3 * np.exp(0.25 * far(point)))


def fake_sweep(
    grid: Grid,
    scored: Sequence[str] | None = None,
    *,
    samples: int = 2,
    noise: float = 0.02,
    without: Sequence[str] = (),
) -> FakeSweep:
    """A sweep over `grid` with scores of `scored` (its attributes), less the columns `without`."""
    names = tuple(grid.attributes)
    scored = names if scored is None else tuple(scored)
    draw = np.random.default_rng(0)
    rows = []
    for at, point in enumerate(grid):
        for prompt_index, prompt in enumerate(PROMPTS):
            for sample in range(samples):
                row: dict[str, Any] = {"point": at, **place(point, names)}
                row |= {"prompt_index": prompt_index, "sample": sample, "prompt": prompt}
                row["text"] = f"<script>alert({at})</script> & text {prompt_index}.{sample} 🙂"
                row |= {"new_tokens": 7, "finish_reason": "length"}
                row["base_perplexity"] = true_base_perplexity(point)
                for name in scored:
                    noisy = true_score(point, name) + noise * draw.standard_normal()
                    row[f"score_{name}"] = min(max(noisy, 0.0), 1.0)
                rows.append(row)
    frame = pd.DataFrame(rows).drop(columns=list(without), errors="ignore")
    summary = summarise(frame, list(grid), names, scored).drop(
        columns=list(without), errors="ignore"
    )
    manifest = {"versions": {"contlm": "x"}, "seed": 3, "note": "</pre><script>x</script>"}
    return FakeSweep(frame, summary, list(grid), grid, manifest)


def place(point: Point, names: Sequence[str]) -> dict[str, float]:
    alpha, lam = dict(point.alpha), dict(point.lam)  # type: ignore[arg-type]
    found = {f"alpha_{n}": float(alpha.get(n, np.nan)) for n in names}
    return found | {f"lam_{n}": float(lam.get(n, 0.0)) for n in names}


def summarise(
    frame: pd.DataFrame, points: list[Point], names: Sequence[str], scored: Sequence[str]
) -> pd.DataFrame:
    rows = []
    for at, point in enumerate(points):
        texts = frame[frame["point"] == at]
        row: dict[str, Any] = {"point": at, **place(point, names), "texts": len(texts)}
        for name in scored:
            if f"score_{name}" in texts:
                prompts = texts.groupby("prompt_index")[f"score_{name}"].mean()
                row[f"score_{name}"] = texts[f"score_{name}"].mean()
                row[f"score_{name}_sem"] = prompts.std(ddof=1) / len(prompts) ** 0.5
        row["perplexity"] = true_perplexity(point)
        row["base_perplexity"] = true_base_perplexity(point)
        row |= {f"dist_{n}": 0.8 + 0.03 * n for n in (1, 2, 3)}
        row["tokens_per_s"] = 100.0
        rows.append(row)
    return pd.DataFrame(rows)
