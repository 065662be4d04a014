"""Sample texts of a few prompts, side by side over the points."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import pandas as pd

from contlm.analysis.tables import SAME, attributes_of, lam_of, scored_attributes
from contlm.plot.choose import kind_of
from contlm.reporting.tables import point_lines

_PROMPTS = 4
_POINTS = 7


def texts_section(sweep: Any, table: pd.DataFrame) -> str:
    """A table a prompt: a column a point, each with its first sample and that text's scores."""
    names = attributes_of(table)
    shown = [row for k, row in enumerate(table.to_dict("records")) if k in _chosen(sweep, table)]
    frame = sweep.frame
    prompts = _spread(sorted(frame["prompt_index"].unique()), _PROMPTS)
    if not shown or not prompts:
        return ""
    first = frame[frame["prompt_index"].isin(prompts)]
    first = first.sort_values("sample").drop_duplicates(["point", "prompt_index"])
    texts = {(r["point"], r["prompt_index"]): r for r in first.to_dict("records")}
    head = "".join(
        f"<th scope='col'>{'<br>'.join(map(escape, point_lines(pd.Series(row), names)))}</th>"
        for row in shown
    )
    scored = scored_attributes(frame)
    blocks = []
    for prompt in prompts:
        found = [texts.get((row["point"], prompt)) for row in shown]
        asked = next((str(r["prompt"]) for r in found if r is not None), "")
        cells = "".join(_text_cell(record, scored) for record in found)
        blocks.append(
            f"<tr class='prompt'><th colspan='{len(shown)}' scope='rowgroup'>"
            f"<span>{escape(asked)} …</span></th></tr><tr>{cells}</tr>"
        )
    bodies = "".join(f"<tbody>{block}</tbody>" for block in blocks)
    return (
        "<section><h2>Texts</h2><p class='hint'>The first sample of "
        f"{len(prompts)} of {frame['prompt_index'].nunique()} prompts at {len(shown)} of "
        f"{len(table)} points, with its scores. A prompt's rows draw the same random numbers at "
        "every point.</p><div class='wide'><table class='texts'>"
        f"<thead><tr>{head}</tr></thead>{bodies}</table></div></section>"
    )


def _text_cell(record: dict[Any, Any] | None, scored: tuple[str, ...]) -> str:
    if record is None:
        return "<td>–</td>"
    chips = "".join(
        f"<span class='chip'>{escape(name)} {record[f'score_{name}']:.2f}</span>"
        for name in scored
        if not pd.isna(record[f"score_{name}"])
    )
    return f"<td><p>{escape(str(record['text']).strip())}</p>{chips}</td>"


def _chosen(sweep: Any, table: pd.DataFrame) -> set[int]:
    """Rows of the summary to show: a simplex' corners and its middle, otherwise evenly spread."""
    if len(table) <= _POINTS or kind_of(sweep) != "simplex":
        return set(_spread(range(len(table)), _POINTS))
    names = attributes_of(table)
    lam = lam_of(table, names)
    used = np.flatnonzero((lam > SAME).any(axis=0))
    corners = [int(lam[:, k].argmax()) for k in used]
    return {*corners[: _POINTS - 1], int(lam[:, used].std(axis=1).argmin())}


def _spread(items: Any, count: int) -> list[Any]:
    """At most `count` of `items`, evenly, with both ends."""
    found = list(items)
    if len(found) <= count:
        return found
    return [found[round(k * (len(found) - 1) / (count - 1))] for k in range(count)]
