"""The page's parts: heading, pictures, tables, texts, and how to make the sweep again."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import pandas as pd

from contlm._native import __version__
from contlm.analysis.response import FACTOR, stable_range
from contlm.analysis.tables import (
    SAME,
    attributes_of,
    grid_of,
    lines_of,
    scored_attributes,
    summary_of,
)
from contlm.plot.choose import kind_of
from contlm.plot.labels import interval, number, value_label
from contlm.reporting.pictures import pictures_of
from contlm.reporting.style import CSS
from contlm.reporting.svg import inline_svg
from contlm.reporting.texts import texts_section

# a table that nobody scrolls to the end of helps nobody; the sweep's own files hold all rows
_MAX_ROWS = 400


def page_of(sweep: Any, title: str | None = None) -> str:
    """The whole page, as HTML."""
    table = summary_of(sweep.summary)
    heading = title or _heading(sweep, table)
    parts = [
        _facts(sweep, table),
        _pictures(sweep),
        _ranges(table),
        _summary(table),
        texts_section(sweep, table),
        _reproduce(sweep),
    ]
    body = "\n".join(part for part in parts if part)
    # the policy holds the page to its word: nothing is fetched, nothing runs
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="generator" content="contlm {escape(__version__)}">
<title>{escape(heading)}</title>
<style>{CSS}</style>
</head>
<body>
<main>
<h1>{escape(heading)}</h1>
{body}
</main>
</body>
</html>
"""


def point_label(row: pd.Series, names: tuple[str, ...]) -> str:
    """ "sentiment α 0.5", "sentiment α 1 λ 0.4, humor α 1 λ 0.6" or "base"."""
    named = [n for n in names if abs(row[f"lam_{n}"]) > SAME]
    if len(named) == 1 and abs(row[f"lam_{named[0]}"] - 1) <= SAME:
        return f"{named[0]} α {number(row[f'alpha_{named[0]}'])}"
    parts = [f"{n} α {number(row[f'alpha_{n}'])} λ {number(row[f'lam_{n}'])}" for n in named]
    return ", ".join(parts) or "base"


def _heading(sweep: Any, table: pd.DataFrame) -> str:
    kind = kind_of(sweep).replace("alpha_lambda", "alpha and lambda").replace("entangle", "pairs")
    return f"Sweep of {', '.join(attributes_of(table)) or 'the base'} ({kind})"


def _facts(sweep: Any, table: pd.DataFrame) -> str:
    frame, manifest = sweep.frame, getattr(sweep, "manifest", None) or {}
    facts = [
        ("points", len(table)),
        ("prompts", frame["prompt_index"].nunique()),
        ("texts", len(frame)),
        ("seed", manifest.get("seed")),
        ("contlm", __version__),
    ]
    items = "".join(
        f"<div><dt>{name}</dt><dd>{escape(str(value))}</dd></div>"
        for name, value in facts
        if value is not None
    )
    partial = (
        '<p class="note">This sweep is not complete: the page shows the points that were finished '
        "when it was written.</p>"
        if getattr(sweep, "complete", True) is False
        else ""
    )
    return f'<dl class="facts">{items}</dl>{partial}'


def _pictures(sweep: Any) -> str:
    try:
        pictures = pictures_of(sweep)
    except ValueError as error:
        # a sweep of texts alone has no picture and still has a page
        return f'<p class="note">No picture: {escape(str(error))}</p>'
    shown = [
        f"<figure>{inline_svg(picture.figure, f'f{k}', picture.title)}"
        f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
        for k, picture in enumerate(pictures)
    ]
    return f"<section><h2>{escape(pictures[0].title)}</h2>{''.join(shown)}</section>"


def _ranges(table: pd.DataFrame) -> str:
    rows = []
    for name in lines_of(table):
        try:
            found = stable_range(table, name)
        except ValueError:
            continue
        shown = interval(*found) if found[0] == found[0] else "none"
        rows.append(f"<tr><th scope='row'>{escape(name)}</th><td>{shown}</td></tr>")
    if not rows:
        return ""
    return (
        "<section><h2>Stable ranges</h2><table><caption>Perplexity at most "
        f"{FACTOR:g} times the worse anchor's, dist-n at least the worse anchor's divided by "
        f"{FACTOR:g}, the score monotone up to two standard errors of a difference; of the alphas "
        "that were swept.</caption><thead><tr><th scope='col'>attribute</th>"
        f"<th scope='col'>alpha</th></tr></thead><tbody>{''.join(rows)}</tbody></table></section>"
    )


def _summary(table: pd.DataFrame) -> str:
    names = attributes_of(table)
    scores = [f"score_{n}" for n in scored_attributes(table)]
    place = {"point", *(f"{kind}_{n}" for kind in ("alpha", "lam") for n in names)}
    others = [
        str(c)
        for c in table.columns
        if c not in place and c not in scores and not str(c).startswith("score_")
        and pd.api.types.is_numeric_dtype(table[c])
    ]  # fmt: skip
    head = "".join(
        f"<th scope='col'>{escape(text)}</th>"
        for text in ["point", *map(value_label, scores), *map(value_label, others)]
    )
    rows = []
    for _, row in table.head(_MAX_ROWS).iterrows():
        cells = "".join(_score_cell(row, column) for column in scores)
        cells += "".join(f"<td>{_cell(row[column])}</td>" for column in others)
        label = escape(point_label(row, names))
        rows.append(f"<tr><th scope='row'>{label}</th>{cells}</tr>")
    more = (
        f'<p class="note">{_MAX_ROWS} of {len(table)} points are shown.</p>'
        if len(table) > _MAX_ROWS
        else ""
    )
    return (
        "<section><h2>Summary</h2><div class='wide'><table><caption>One row a point; scores are "
        "means over texts ± the standard error over prompts.</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>{more}"
        "</section>"
    )


def _score_cell(row: pd.Series, column: str) -> str:
    value, error = row[column], row.get(f"{column}_sem")
    if pd.isna(value):
        return "<td>–</td>"
    spread = "" if error is None or pd.isna(error) else f" <small>± {error:.2f}</small>"
    full = 100 * min(max(float(value), 0.0), 1.0)
    return f'<td class="bar" style="--v:{full:.0f}%">{value:.2f}{spread}</td>'


def _cell(value: Any) -> str:
    if pd.isna(value):
        return "–"
    return str(int(value)) if float(value).is_integer() else number(float(value))


def _reproduce(sweep: Any) -> str:
    manifest = dict(getattr(sweep, "manifest", None) or {})
    grid = grid_of(sweep)
    if grid is not None:
        manifest.setdefault("grid", {"kind": grid.kind, "axes": grid.axes})
    prompts = sweep.frame.drop_duplicates("prompt_index").sort_values("prompt_index")["prompt"]
    listed = "".join(f"<li>{escape(str(prompt))}</li>" for prompt in prompts)
    text = escape(json.dumps(manifest, indent=2, ensure_ascii=False, default=str))
    return (
        "<section><h2>How to make it again</h2>"
        "<p>The same versions, models, prompts, sampling and seed give the same table.</p>"
        f"<details open><summary>manifest</summary><pre>{text}</pre></details>"
        f"<details><summary>{len(prompts)} prompts</summary><ol>{listed}</ol></details></section>"
    )
