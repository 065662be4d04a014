"""Which columns of a summary a picture or a page shows, and in what order."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from contlm.analysis.tables import attributes_of, require_columns, scored_attributes


def moved_attributes(table: pd.DataFrame) -> tuple[str, ...]:
    """The attributes whose alpha takes several values."""
    return tuple(n for n in attributes_of(table) if _varies(table, f"alpha_{n}"))


def swept_attributes(table: pd.DataFrame) -> tuple[str, ...]:
    """The attributes whose alpha or lambda takes several values."""
    return tuple(
        n
        for n in attributes_of(table)
        if _varies(table, f"alpha_{n}") or _varies(table, f"lam_{n}")
    )


def score_columns(table: pd.DataFrame, first: Sequence[str] | None = None) -> list[str]:
    """The table's scores: those of `first` (None: of the swept attributes), then all others."""
    scored = scored_attributes(table)
    leading = [n for n in (swept_attributes(table) if first is None else first) if n in scored]
    return [f"score_{n}" for n in dict.fromkeys([*leading, *scored])]


def map_columns(table: pd.DataFrame, first: Sequence[str]) -> list[str]:
    """What maps of a sweep show beside each other: its scores, those of `first` leading, and
    perplexity where there is one. ValueError where it has neither."""
    found = score_columns(table, first) + ["perplexity"] * ("perplexity" in table.columns)
    require_columns(table, [] if found else [f"score_{first[0]}"])
    return found


def _varies(table: pd.DataFrame, column: str) -> bool:
    return bool(table[column].dropna().round(9).nunique() > 1)
