"""The page's parts: heading, pictures, tables, texts, and how to make the sweep again."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import pandas as pd

from contlm._native import __version__
from contlm.analysis.tables import attributes_of, grid_of, summary_of
from contlm.plot.choose import kind_of
from contlm.reporting.html_tables import ranges_section, summary_section
from contlm.reporting.pictures import pictures_of
from contlm.reporting.style import CSS
from contlm.reporting.svg import inline_svg
from contlm.reporting.texts import texts_section


def page_of(sweep: Any, title: str | None = None) -> str:
    """The whole page, as HTML."""
    table = summary_of(sweep.summary)
    heading = title or _heading(sweep, table)
    parts = [
        _facts(sweep, table),
        _pictures(sweep),
        ranges_section(table) if kind_of(sweep) == "line" else "",
        summary_section(table),
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
        f"<details><summary>manifest</summary><pre>{text}</pre></details>"
        f"<details><summary>{len(prompts)} prompts</summary><ol>{listed}</ol></details></section>"
    )
