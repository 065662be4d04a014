"""The page's grid of texts: points down, prompts across."""

from __future__ import annotations

from html import escape
from typing import Any

import pandas as pd

from contlm.plot.text_grid import Cell, shortened, text_grid

_PROMPTS = 4
_CHARACTERS = 420


def texts_section(sweep: Any, table: pd.DataFrame) -> str:
    """A row per point and a column per prompt, each cell with its first sample, the words that
    differ from the base's marked, and that text's numbers; "" where nothing is finished."""
    frame = sweep.frame
    if frame.empty:
        return ""
    grid = text_grid(sweep, _PROMPTS, None)
    head = "".join(f"<th scope='col'>{escape(prompt)} …</th>" for prompt in grid.prompts)
    rows = "".join(
        f"<tr><th scope='row'>{'<br>'.join(map(escape, name))}</th>"
        f"{''.join(map(_cell, cells))}</tr>"
        for name, cells in zip(grid.rows, grid.cells, strict=True)
    )
    return (
        "<section><h2>Texts</h2><p class='hint'>The first sample of "
        f"{len(grid.prompts)} of {frame['prompt_index'].nunique()} prompts at {len(grid.rows)} of "
        f"{len(table)} points, with its scores; {escape(grid.note)}. A prompt's column draws the "
        "same random numbers at every point.</p><div class='wide'><table class='texts'>"
        f"<thead><tr><th scope='col'>{escape(grid.down)}</th>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "<td>–</td>"
    words, cut = shortened(cell.words, _CHARACTERS)
    # neighbours share one mark, blanks included
    text = " ".join(
        f"<mark>{escape(word)}</mark>" if changed else escape(word) for word, changed in words
    ).replace("</mark> <mark>", " ")
    chips = "".join(
        f"<span class='chip'>{escape(name)} {value}</span>" for name, value in cell.numbers
    )
    return f"<td><p>{text}{'…' if cut else ''}</p>{chips}</td>"
