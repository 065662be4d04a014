"""The panel's script, style and page, read from the package."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "static"


@cache
def read(name: str) -> str:
    """A file of `static`."""
    return (_FOLDER / name).read_text(encoding="utf-8")


def script(transport: str) -> str:
    """The panel and what connects it to one face, as one ES module."""
    return read("panel.js") + "\n" + read(transport)


def style() -> str:
    """The panel's style."""
    return read("panel.css")


def page(config: dict[str, Any], nonce: str) -> str:
    """The whole page; nothing in it asks the network for more.

    nonce: allows its own script and style, and no others, by the content security policy.
    """
    parts = {
        "nonce": nonce,
        "style": style(),
        # within a script element only "<" could end it
        "config": json.dumps(config).replace("<", "\\u003c"),
        "script": script("page.js"),
    }
    # piece by piece, so that what is put in is not searched again
    head, *rest = read("page.html").split("{{")
    filled = [head]
    for piece in rest:
        name, _, after = piece.partition("}}")
        filled += [parts[name], after]
    return "".join(filled)
