"""What objects look like in a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping


def fact_table(title: str, facts: Mapping[str, object]) -> str:
    """A titled table of name and value as HTML; every value is shown by its text."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
        for name, value in facts.items()
    )
    return f"<table><caption><b>{html.escape(title)}</b></caption><tbody>{rows}</tbody></table>"
