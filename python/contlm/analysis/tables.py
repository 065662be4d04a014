"""Reading a sweep's tables: which attributes, scores and lines stand in them.

A *summary* has one row per point: `alpha_<attr>` and `lam_<attr>` (NaN and 0 where a point does not
name the attribute), `score_<attr>` with `score_<attr>_sem`, `perplexity`, `base_perplexity`,
`dist_1` ... A *frame* has one row per text. Both are what `contlm.Sweep` holds; everything here
takes either.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from contlm.model.perplexity import pooled_perplexity

# points are written in decimals of a few places; closer ones are the same
SAME = 1e-9


def summary_of(source: Any) -> pd.DataFrame:
    """One row per point of a Sweep, of a summary or of a frame of texts (scores are then averaged).

    TypeError for anything else.
    """
    table = getattr(source, "summary", source)
    if not isinstance(table, pd.DataFrame):
        raise TypeError(
            f"sweep: must be a contlm.Sweep, its summary or its frame, got {type(source).__name__}"
        )
    require_columns(table, ["point"])
    if "sample" in table.columns:
        return _summarised(table)
    return table


def grid_of(source: Any) -> Any:
    """The Grid of a Sweep; None for a table, which has none."""
    return getattr(source, "grid", None)


def require_columns(table: pd.DataFrame, columns: Iterable[str]) -> None:
    """ValueError that names what is missing and lists what there is."""
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise ValueError(
            f"summary: must have the column {', '.join(map(repr, missing))}, it has "
            f"{', '.join(map(str, table.columns))}; {_how_to_get(missing[0])}"
        )


def attributes_of(table: pd.DataFrame) -> tuple[str, ...]:
    """The attributes whose points the table names, in its own order."""
    return tuple(
        name.removeprefix("lam_") for name in table.columns if str(name).startswith("lam_")
    )


def scored_attributes(table: pd.DataFrame) -> tuple[str, ...]:
    """The attributes that the table has a score of."""
    names = [str(c).removeprefix("score_") for c in table.columns if str(c).startswith("score_")]
    return tuple(n for n in names if not (n.endswith("_sem") and n.removesuffix("_sem") in names))


def diversities(table: pd.DataFrame) -> tuple[str, ...]:
    """The columns dist_1, dist_2, ... that the table has."""
    return tuple(str(c) for c in table.columns if str(c).startswith("dist_"))


def lines_of(table: pd.DataFrame) -> tuple[str, ...]:
    """The attributes that a table moves alone: at least two alphas where nothing else weighs."""
    return tuple(
        name for name in attributes_of(table) if _alone(table, name)[f"alpha_{name}"].nunique() >= 2
    )


def line_of(table: pd.DataFrame, attribute: str) -> pd.DataFrame:
    """The rows that differ in one attribute's alpha alone, by rising alpha, one row per alpha.

    These are the rows where no other attribute has a lambda or, where there is none such, all rows,
    if they agree in all else. ValueError where they do not.
    """
    require_attribute(table, attribute)
    rows = _alone(table, attribute)
    if rows.empty:
        rows = table
    alpha = f"alpha_{attribute}"
    for name in attributes_of(table):
        held = [f"lam_{name}"] + ([] if name == attribute else [f"alpha_{name}"])
        for column in held:
            if rows[column].fillna(math.nan).round(9).nunique(dropna=False) > 1:
                raise ValueError(
                    f"{attribute!r}: needs rows that differ in {alpha} alone, but {column} takes "
                    f"the values {_listed(rows[column])}; select the rows of one line first"
                )
    rows = rows.assign(**{alpha: rows[alpha].round(9)})
    means: pd.DataFrame = rows.groupby(alpha, as_index=False).mean(numeric_only=True)
    return means.sort_values(alpha, ignore_index=True)


def require_attribute(table: pd.DataFrame, attribute: str) -> None:
    """ValueError, listing the attributes that the table moves, unless `attribute` is one."""
    known = attributes_of(table)
    if attribute not in known:
        raise ValueError(
            f"attribute: must be one that the sweep moves ({', '.join(known) or 'none'}), got "
            f"{attribute!r}"
        )


def lam_of(table: pd.DataFrame, attributes: Sequence[str]) -> np.ndarray:
    """[points, attributes] float64: lambda, 0 where a point does not name the attribute."""
    columns = [f"lam_{name}" for name in attributes]
    require_columns(table, columns)
    return table[columns].fillna(0.0).to_numpy(dtype=np.float64)


def alpha_of(table: pd.DataFrame, attributes: Sequence[str]) -> np.ndarray:
    """[points, attributes] float64: alpha, NaN where a point does not name the attribute."""
    columns = [f"alpha_{name}" for name in attributes]
    require_columns(table, columns)
    return table[columns].to_numpy(dtype=np.float64)


def _alone(table: pd.DataFrame, attribute: str) -> pd.DataFrame:
    names = attributes_of(table)
    weighs = np.abs(lam_of(table, names)) > SAME
    own = weighs[:, names.index(attribute)]
    return table[own & (weighs.sum(axis=1) == 1)]


def _summarised(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame of texts, averaged by point as `Sweep.summary` is: the error is that of the mean over
    prompts' means."""
    require_columns(frame, ["point", "prompt_index"])
    groups = frame.groupby("point", sort=True)
    place = [c for c in frame.columns if str(c).startswith(("alpha_", "lam_"))]
    found = groups[place].first() if place else pd.DataFrame(index=sorted(groups.groups))
    found["texts"] = groups.size()
    for attribute in scored_attributes(frame):
        column = f"score_{attribute}"
        found[column] = groups[column].mean()
        by_prompt = frame.groupby(["point", "prompt_index"])[column].mean().groupby("point")
        found[f"{column}_sem"] = by_prompt.sem()
    if "base_perplexity" in frame:
        found["base_perplexity"] = groups[["base_perplexity", "new_tokens", "finish_reason"]].apply(
            lambda texts: pooled_perplexity(*(texts[column] for column in texts))
        )
    return found.rename_axis("point").reset_index()


def _how_to_get(column: str) -> str:
    if column.startswith("score_"):
        name = column.removeprefix("score_").removesuffix("_sem")
        return f"give sweep() classifiers={{{name!r}: ...}}"
    if column == "perplexity":
        return "give sweep() a perplexity_text"
    if column == "base_perplexity":
        return 'let sweep() compute the metric "base_perplexity"'
    if column.startswith("dist_"):
        return 'let sweep() compute the metric "dist"'
    return "give a contlm.Sweep, its summary or its frame"


def _listed(values: pd.Series) -> str:
    shown = [f"{v:g}" for v in sorted(set(values))[:5]]
    return ", ".join(shown) + (", ..." if values.nunique() > 5 else "")
