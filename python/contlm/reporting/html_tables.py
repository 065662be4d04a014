"""The page's tables, as HTML: one row per point, and each attribute's stable range."""

from __future__ import annotations

from html import escape

import numpy as np
import pandas as pd

from contlm.analysis.response import COHERENCE, FACTOR, NOISE_ERRORS, limits_reached, stable_range
from contlm.analysis.tables import SAME, attributes_of, lines_of
from contlm.plot.columns import score_columns
from contlm.plot.labels import fixed, number, place_label, range_label, value_label

# a table that nobody scrolls to the end of helps nobody; the sweep's own files hold all rows
_MAX_ROWS = 400


def summary_section(table: pd.DataFrame) -> str:
    """The summary: a column for each alpha and lambda that varies, then scores with their errors,
    those of the swept attributes first, then everything else that is a number."""
    place, still = _places(table)
    scores = score_columns(table)
    known = {"point", *(f"{k}_{n}" for k in ("alpha", "lam") for n in attributes_of(table))}
    others = [
        str(c)
        for c in table.columns
        if c not in known
        and not str(c).startswith("score_")
        and pd.api.types.is_numeric_dtype(table[c])
    ]
    head = "".join(
        f"<th scope='col'>{escape(text)}</th>"
        for text in ["point", *map(place_label, place), *map(_unbroken, [*scores, *others])]
    )
    forms = {column: _form(table[column]) for column in others}
    rows = []
    for _, row in table.head(_MAX_ROWS).iterrows():
        cells = "".join(f"<td>{number(row[c]) or '–'}</td>" for c in place)
        cells += "".join(_score_cell(row, column) for column in scores)
        cells += "".join(f"<td>{fixed(row[c], forms[c]) or '–'}</td>" for c in others)
        rows.append(f"<tr><th scope='row'>{int(row['point'])}</th>{cells}</tr>")
    more = (
        f'<p class="note">{_MAX_ROWS} of {len(table)} points are shown.</p>'
        if len(table) > _MAX_ROWS
        else ""
    )
    held = f" At all points: {escape('; '.join(still))}." if still else ""
    return (
        "<section><h2>Summary</h2><p class='hint'>One row per point. Scores are means over texts ± "
        f"the standard error over prompts.{held}</p><div class='wide'><table>"
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>{more}"
        "</section>"
    )


def ranges_section(table: pd.DataFrame) -> str:
    """Each attribute's stable range; "" where no line says."""
    rows = []
    for name in lines_of(table):
        try:
            low, high = stable_range(table, name)
        except ValueError:
            # without scores, or without the anchors, there is no range to speak of
            continue
        reached = limits_reached(table, name)
        shown = "none" if np.isnan(low) else range_label((low, high), reached)
        rows.append(f"<tr><th scope='row'>{escape(name)}</th><td>{shown}</td></tr>")
    if not rows:
        return ""
    return (
        "<section><h2>Stable ranges</h2><p class='hint'>Of the alphas that were swept: perplexity "
        f"at most {FACTOR:g} times the worse anchor's, base_perplexity of the texts at most "
        f"{COHERENCE:g} times the worse anchor's, dist-n at least the worse anchor's divided "
        f"by {FACTOR:g}, and the score monotone up to {NOISE_ERRORS:g} standard errors of a "
        "difference. A limit is not reached where no alpha beyond the range was swept.</p>"
        "<table><thead><tr><th scope='col'>attribute</th><th scope='col'>α</th></tr>"
        f"</thead><tbody>{''.join(rows)}</tbody></table></section>"
    )


def _places(table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The alpha and lambda columns that vary, and what the others say: "sentiment α 1"."""
    varying, still = [], []
    for sign, kind in (("α", "alpha"), ("λ", "lam")):
        for name in attributes_of(table):
            column = f"{kind}_{name}"
            values = table[column].round(9)
            if kind == "alpha":
                # an attribute that a point does not name has no alpha there to differ
                values = values[table[f"lam_{name}"].abs() > SAME].dropna()
            if values.nunique(dropna=False) > 1:
                varying.append(column)
            elif len(values):
                still.append(f"{name} {sign} {number(values.iloc[0])}")
    return varying, still


def _unbroken(column: str) -> str:
    return value_label(column).replace("dist-", "dist\u2011")


def _score_cell(row: pd.Series, column: str) -> str:
    value, error = row[column], row.get(f"{column}_sem")
    if pd.isna(value):
        return "<td>–</td>"
    spread = "" if error is None or pd.isna(error) else f" <small>± {fixed(error)}</small>"
    full = 100 * min(max(float(value), 0.0), 1.0)
    return f'<td class="bar" style="--v:{full:.0f}%">{fixed(value)}{spread}</td>'


def _form(values: pd.Series) -> str:
    """One format per column, so that its digits stand under one another."""
    finite = values[np.isfinite(values)].abs()
    if (finite == finite.round()).all():
        return ".0f"
    return ".3f" if finite.max() < 2 else ".2f" if finite.max() < 1000 else ".0f"
