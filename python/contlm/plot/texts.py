"""A grid of texts as a picture."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from contlm.plot.style import OKABE_ITO, PAGE, figure_of, one_axes, styled
from contlm.plot.text_grid import Cell, TextGrid, text_grid

_SIZE, _LINE, _PAD = 6.5, 8.4, 4.0
_CHANGED = OKABE_ITO[1]
_LONGEST = 220


class _Word(NamedTuple):
    """A word with its place in a cell, in points."""

    text: str
    changed: bool
    x: float
    line: int


@styled
def texts(
    sweep: Any,
    prompts: int | Sequence[int] = 3,
    points: Sequence[int] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """A grid of texts: points down (alpha, where the sweep is one line), prompts across, the first
    sample in each cell with its scores and, where the sweep has it, its perplexity under the base.

    Words that differ from the base's text for that prompt are bold and coloured; where no swept
    point is the base, from that of an anchor, which the caption under the grid names. Texts that
    are too long end at a word with an ellipsis.

    sweep: a Sweep or its frame. prompts: how many, or which prompt_index. points: which points of
    the summary; None takes up to nine, with the base and all anchors. ax: its cells hold as many
    lines as fit; a figure of one's own grows with them.

    TypeError for a summary, which has no texts; ValueError for prompts or points that it lacks.
    """
    grid = text_grid(sweep, prompts, points)
    axes = one_axes(ax, PAGE, 3.0)
    rows, columns = len(grid.rows), len(grid.prompts)
    share = 1.0 if ax is None else axes.get_position().width
    across = share * figure_of(axes).get_figwidth() * 72
    letters = max(8, int(0.85 * across / columns / (0.55 * _SIZE)))
    axes.set_xticks(
        [(k + 0.5) / columns for k in range(columns)],
        [_headed(prompt, letters) for prompt in grid.prompts],
    )
    names = ["\n".join(lines) for lines in grid.rows]
    axes.set_yticks([(k + 0.5) / rows for k in range(rows)], names)
    axes.set(xlim=(0, 1), ylim=(1, 0))
    axes.set_ylabel(grid.down, fontsize=_SIZE + 1)
    axes.set_xlabel(f"prompt; {grid.note}", fontsize=_SIZE + 1)
    axes.tick_params(length=0, labelsize=_SIZE + 0.5, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    width, height = _size(axes)
    laid = [[_laid(cell, width / columns - 2 * _PAD) for cell in row] for row in grid.cells]
    if ax is None:
        deep = [max(cell[-1].line + 1 if cell else 0 for cell in row) + 1 for row in laid]
        wanted = sum(deep) * _LINE + 3 * _PAD * rows
        figure = figure_of(axes)
        figure.set_figheight(figure.get_figheight() + (wanted - height) / 72)
        ends = [sum(d * _LINE + 3 * _PAD for d in deep[:k]) / wanted for k in range(rows + 1)]
        height = wanted
    else:
        ends = [k / rows for k in range(rows + 1)]
    axes.set_yticks([(a + b) / 2 for a, b in pairwise(ends)], names)
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_parse_math(False)
    _fill(axes, grid, laid, ends, (width, height))
    return axes


def _fill(
    axes: Axes,
    grid: TextGrid,
    laid: list[list[list[_Word]]],
    ends: list[float],
    size: tuple[float, float],
) -> None:
    (width, height), columns = size, len(grid.prompts)
    for end in ends:
        axes.axhline(end, color="0.8", linewidth=0.5, clip_on=False)
    for row, (top, below) in enumerate(pairwise(ends)):
        lines = int(((below - top) * height - 3 * _PAD) / _LINE + 1e-6) - 1
        for column, words in enumerate(laid[row]):
            left = column / columns + _PAD / width
            shown = [w for w in words if w.line < lines]
            if len(shown) < len(words) and shown:
                shown[-1] = shown[-1]._replace(text=f"{shown[-1].text.rstrip('…')}…")
            for word in shown:
                _put(
                    axes, word.text, left + word.x / width,
                    top + (_PAD + _SIZE + word.line * _LINE) / height, word.changed,
                )  # fmt: skip
            cell = grid.cells[row][column]
            if cell is not None:
                line = "  ".join(f"{name} {value}" for name, value in cell.numbers)
                _put(axes, line, left, below - (_PAD + 0.25 * _SIZE) / height, None)


def _put(axes: Axes, text: str, x: float, y: float, changed: bool | None) -> None:
    """changed: None for the line of numbers."""
    axes.text(
        x, y, text, fontproperties=_font(bool(changed)), parse_math=False, clip_on=True,
        color=_CHANGED if changed else "0.4" if changed is None else "black",
    ).set_in_layout(False)  # fmt: skip


def _laid(cell: Cell | None, width: float) -> list[_Word]:
    """A cell's words in lines of `width` points."""
    found: list[_Word] = []
    x, line, used = 0.0, 0, 0
    for text, changed in cell.words if cell is not None else ():
        used += len(text) + 1
        if used > _LONGEST and found:
            found[-1] = found[-1]._replace(text=f"{found[-1].text.rstrip('…')}…")
            break
        long = _wide(text, changed)
        if x > 0 and x + long > width:
            x, line = 0.0, line + 1
        found.append(_Word(text, changed, x, line))
        x += long + _wide(" ", False)
    return found


@functools.cache
def _font(bold: bool) -> FontProperties:
    return FontProperties(family="sans-serif", size=_SIZE, weight="bold" if bold else "normal")


@functools.lru_cache(4096)
def _wide(text: str, bold: bool) -> float:
    """Points."""
    if text == " ":
        return _wide("n n", bold) - _wide("nn", bold)
    return float(text_to_path.get_text_width_height_descent(text, _font(bold), False)[0])


def _headed(prompt: str, letters: int) -> str:
    whole = textwrap.shorten(prompt, 3 * letters, placeholder="…")
    return "\n".join(textwrap.wrap(whole, letters))


def _size(axes: Axes) -> tuple[float, float]:
    """Points: the Axes' width and height, once labels have taken their room."""
    figure = figure_of(axes)
    figure.draw_without_rendering()
    box = axes.get_window_extent()
    return box.width * 72 / figure.dpi, box.height * 72 / figure.dpi
