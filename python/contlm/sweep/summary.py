"""From the units' tables to the frame and the summary of a sweep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from contlm import metrics
from contlm.model.perplexity import pooled_perplexity

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_DIST = (1, 2, 3)


def frame_of(tables: Mapping[int, pa.Table], manifest: Mapping[str, Any]) -> pd.DataFrame:
    """All rows, by point, then prompt, then sample; columns without rows when nothing is
    finished."""
    import pandas as pd
    import pyarrow as pa

    if not tables:
        return pd.DataFrame(columns=_frame_columns(manifest))
    whole = pa.concat_tables([t.replace_schema_metadata() for t in tables.values()])
    frame = whole.to_pandas()
    # the blocks of a point hold prompts in order, but equal prompts share a block
    order = ["point", "prompt_index", "sample"]
    return frame.sort_values(order, kind="stable", ignore_index=True)


def summarize(
    frame: pd.DataFrame, notes: Iterable[Mapping[str, Any]], manifest: Mapping[str, Any]
) -> pd.DataFrame:
    """One row for each point that has finished rows."""
    import pandas as pd

    perplexity: dict[int, float] = {}
    tokens: dict[int, float] = defaultdict(float)
    seconds: dict[int, float] = defaultdict(float)
    for note in notes:
        perplexity |= {int(point): value for point, value in note["perplexity"].items()}
        whole = max(1, sum(note["new_tokens"].values()))
        for point, count in note["new_tokens"].items():
            tokens[int(point)] += count
            # points of one call share its time by their tokens
            seconds[int(point)] += note["seconds"]["generate"] * count / whole
    rows = []
    for point, group in frame.groupby("point", sort=True):
        at = int(point)  # type: ignore[call-overload]
        row = _point_row(at, group, manifest)
        if manifest["perplexity"] is not None:
            row["perplexity"] = perplexity.get(at, float("nan"))
        if "base_perplexity" in group:
            row["base_perplexity"] = pooled_perplexity(
                group["base_perplexity"], group["new_tokens"], group["finish_reason"]
            )
        row |= _text_metrics(group, manifest["metrics"])
        if "conditional_perplexity" in group:
            # pandas leaves out the NaN of empty texts
            row["conditional_perplexity"] = group["conditional_perplexity"].mean()
        row["tokens_per_s"] = tokens[at] / seconds[at] if seconds[at] > 0 else float("nan")
        rows.append(row)
    if not rows:
        return pd.DataFrame(columns=["point", "texts", "tokens_per_s"])
    return pd.DataFrame(rows)


def _point_row(point: int, group: pd.DataFrame, manifest: Mapping[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"point": point}
    for kind in ("alpha", "lam"):
        row |= {f"{kind}_{a}": group[f"{kind}_{a}"].iloc[0] for a in manifest["attributes"]}
    row["texts"] = len(group)
    for name in manifest["classifiers"]:
        score = f"score_{name}"
        row[score] = group[score].mean()
        # texts of one prompt are alike: the prompts are what is independent
        row[f"{score}_sem"] = group.groupby("prompt_index")[score].mean().sem()
    return row


def _text_metrics(group: pd.DataFrame, names: list[str]) -> dict[str, float]:
    texts, prompts = group["text"].tolist(), group["prompt_index"].tolist()
    row: dict[str, float] = {}
    if "dist" in names:
        row |= {f"dist_{n}": metrics.dist_n(texts, n, "prompt", prompts) for n in _DIST}
    if "self_bleu" in names:
        row["self_bleu"] = metrics.self_bleu(texts, per="prompt", prompt_index=prompts)
    if "length" in names:
        # words as dist-n has them: what splitting on single spaces gives
        row["length"] = float(np.mean([len(text.split(" ")) for text in texts]))
    return row


def _frame_columns(manifest: Mapping[str, Any]) -> list[str]:
    at = [f"{kind}_{name}" for kind in ("alpha", "lam") for name in manifest["attributes"]]
    rest = ["prompt_index", "sample", "prompt", "text", "new_tokens", "finish_reason"]
    scores = [f"score_{name}" for name in manifest["classifiers"]]
    judged = ["conditional_perplexity"] if manifest["judge"] is not None else []
    coherence = [name for name in manifest["metrics"] if name == "base_perplexity"]
    return ["point", *at, *rest, *scores, *judged, *coherence]
