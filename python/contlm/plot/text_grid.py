"""Texts as a grid, points down and prompts across, with the words that steering changed: what
`contlm.plot.texts` draws and a report's page shows."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from contlm.analysis.tables import SAME, alpha_of, attributes_of, lam_of, lines_of, summary_of
from contlm.plot.choose import kind_of
from contlm.plot.columns import score_columns
from contlm.plot.labels import fixed, number, place_label, point_lines

_POINTS = 9


class Cell(NamedTuple):
    """One text: its words, each with whether it differs from the compared text, and its numbers as
    (name, number) texts, the swept attributes' scores first."""

    words: tuple[tuple[str, bool], ...]
    numbers: tuple[tuple[str, str], ...]


class TextGrid(NamedTuple):
    """rows: lines that name a point, one list per row. down: what the rows are. prompts: one per
    column. cells: [rows][prompts], None where a text is missing. note: what words are compared
    with."""

    rows: list[list[str]]
    down: str
    prompts: list[str]
    cells: list[list[Cell | None]]
    note: str


def text_grid(sweep: Any, prompts: int | Sequence[int], points: Sequence[int] | None) -> TextGrid:
    """The first sample of some prompts at some points of a Sweep or a frame.

    prompts: how many, spread evenly, or which prompt_index. points: which rows of the summary, by
    their `point`; None takes at most nine, or as many as there are of the base and the anchors (one
    attribute alone at alpha 0 or 1), which always show.

    TypeError where there are no texts; ValueError for prompts and points that the sweep lacks.
    """
    texts = getattr(sweep, "frame", sweep)
    if not isinstance(texts, pd.DataFrame) or "text" not in texts.columns:
        raise TypeError(
            "sweep: must be a contlm.Sweep or its frame, which hold texts, got "
            f"{type(sweep).__name__} without them"
        )
    table = summary_of(sweep)
    which = _prompts(texts, prompts)
    shown = table.iloc[_chosen(sweep, table)] if points is None else _asked(table, points)
    names, single = attributes_of(table), lines_of(table)
    records = shown.to_dict("records")
    along = single[0] if len(single) == 1 and kind_of(sweep) == "line" else None
    rows = [[number(r[f"alpha_{along}"])] if along else point_lines(r, names) for r in records]
    reference = table.iloc[_reference(table)].to_dict()
    first = texts[texts["prompt_index"].isin(which)].sort_values("sample", kind="stable")
    first = first.drop_duplicates(["point", "prompt_index"])
    found = {(r["point"], r["prompt_index"]): r for r in first.to_dict("records")}
    compared = {p: _words(found.get((reference["point"], p))) for p in which}
    columns = score_columns(table) + ["base_perplexity"] * ("base_perplexity" in texts.columns)
    cells = [
        [_cell(found.get((r["point"], p)), compared[p], columns) for p in which] for r in records
    ]
    asked = texts.drop_duplicates("prompt_index").set_index("prompt_index")["prompt"]
    place = ", ".join(point_lines(reference, names))
    if place == "base":
        note = "marked words differ from the base's text"
    else:
        note = f"marked words differ from the text of {place} (no swept point is the base)"
    return TextGrid(
        rows,
        place_label(f"alpha_{along}") if along else "point",
        [str(asked[p]) for p in which],
        cells,
        note,
    )


def shortened(words: Sequence[Any], most: int) -> tuple[list[Any], bool]:
    """As many of (word, changed) as `most` characters hold with the blanks between them, at least
    one, and whether some were left out."""
    used, kept = -1, list[Any]()
    for word in words:
        used += len(word[0]) + 1
        if used > most and kept:
            return kept, True
        kept.append(word)
    return kept, False


def _cell(
    record: dict[Any, Any] | None, compared: list[str], columns: Sequence[str]
) -> Cell | None:
    if record is None:
        return None
    words = _words(record)
    changed = [True] * len(words)
    for block in SequenceMatcher(None, compared, words, autojunk=False).get_matching_blocks():
        changed[block.b : block.b + block.size] = [False] * block.size
    numbers = [
        (c.removeprefix("score_").replace("_", " "), fixed(record[c]))
        for c in columns
        if c in record and not pd.isna(record[c])
    ]
    return Cell(tuple(zip(words, changed, strict=True)), tuple(numbers))


def _words(record: dict[Any, Any] | None) -> list[str]:
    """A text's words; one that was cut off in the middle ends at a whole word with an ellipsis."""
    if record is None:
        return []
    text = str(record["text"])
    words = text.split()
    if record.get("finish_reason") != "length" or not words:
        return words
    # the limit may have fallen inside a word
    if text[-1].isalnum() and len(words) > 1:
        words.pop()
    return [*words[:-1], f"{words[-1]}{'…' if words[-1][-1].isalnum() else ' …'}"]


def _prompts(texts: pd.DataFrame, prompts: int | Sequence[int]) -> list[int]:
    known = sorted(int(p) for p in texts["prompt_index"].unique())
    if isinstance(prompts, int):
        if prompts < 1:
            raise ValueError(f"prompts: must be at least 1, got {prompts}")
        return [known[k] for k in _spread(range(len(known)), {0}, prompts)]
    strange = [p for p in prompts if p not in known]
    if strange or not prompts:
        raise ValueError(f"prompts: must be among the sweep's 0 to {known[-1]}, got {prompts!r}")
    return list(prompts)


def _asked(table: pd.DataFrame, points: Sequence[int]) -> pd.DataFrame:
    strange = [p for p in points if p not in set(table["point"])]
    if strange or not len(points):
        raise ValueError(
            f"points: must be among the summary's {table['point'].min()} to "
            f"{table['point'].max()}, got {list(points)!r}"
        )
    return table.set_index("point", drop=False).loc[list(points)]


def _anchors(table: pd.DataFrame) -> np.ndarray:
    """[points] bool: one attribute alone, lambda 1, at alpha 0 or 1."""
    names = attributes_of(table)
    lam, alpha = lam_of(table, names), np.nan_to_num(alpha_of(table, names), nan=0.5)
    alone = ((np.abs(lam) > SAME).sum(axis=1) == 1) & (np.abs(lam.sum(axis=1) - 1) <= SAME)
    at_end = ((np.abs(alpha) <= SAME) | (np.abs(alpha - 1) <= SAME)) | (np.abs(lam) <= SAME)
    found: np.ndarray = alone & at_end.all(axis=1)
    return found


def _base(table: pd.DataFrame) -> np.ndarray:
    found: np.ndarray = (np.abs(lam_of(table, attributes_of(table))) <= SAME).all(axis=1)
    return found


def _reference(table: pd.DataFrame) -> int:
    """The row that words are compared with: the base; without one, the anchor (without those, the
    point) with the least sum of |lambda alpha|, the weight of high anchors."""
    names = attributes_of(table)
    weight = np.abs(lam_of(table, names) * np.nan_to_num(alpha_of(table, names))).sum(axis=1)
    return int(np.lexsort((weight.round(9), ~_anchors(table), ~_base(table)))[0])


def _chosen(sweep: Any, table: pd.DataFrame) -> list[int]:
    """Rows of the summary: the base, the anchors, both ends and, of a simplex, its corners and its
    middle; then those farthest from them in the table, up to _POINTS."""
    must = {0, len(table) - 1, *np.flatnonzero(_anchors(table) | _base(table)).tolist()}
    if kind_of(sweep) == "simplex":
        lam = lam_of(table, attributes_of(table))
        used = np.flatnonzero((lam > SAME).any(axis=0))
        must |= {int(lam[:, k].argmax()) for k in used}
        must.add(int(lam[:, used].std(axis=1).argmin()))
    return _spread(range(len(table)), must, _POINTS)


def _spread(rows: range, must: set[int], most: int) -> list[int]:
    """`must` and then, one after the other, the rows farthest from all taken ones, up to `most`."""
    taken = set(must)
    while len(taken) < min(most, len(rows)):
        taken.add(max(rows, key=lambda k: _apart(k, taken)))
    return sorted(taken)


def _apart(row: int, taken: set[int]) -> tuple[int, int]:
    """The distance to the nearest taken row; of equals, those away from where most are."""
    distances = [abs(row - t) for t in taken]
    return min(distances), sum(distances)
