"""One HTML page of a sweep: its pictures, its tables, its texts side by side, and how to make it
again. The page holds everything itself and asks no network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from contlm._common.files import whole_file

__all__ = ["report"]


def report(sweep: Any, path: str | os.PathLike[str], *, title: str | None = None) -> Path:
    """Writes a sweep's page to the file `path`, whole or not at all, and returns its path.

    The page shows the pictures that fit the sweep's grid (inline SVG), its summary, the
    texts of a few prompts at the base, the anchors and points between them, with the words that
    differ marked, and the manifest. It needs no network, no script and no
    font, and reads in light and in dark. The same sweep gives the same page, byte for byte.

    title: the page's heading; None names what was swept. TypeError for anything but a Sweep (an
    object with .frame and .summary); FileNotFoundError where the folder is not there.
    """
    from contlm.reporting.page import page_of

    for needed in ("frame", "summary"):
        if not hasattr(sweep, needed):
            raise TypeError(
                f"sweep: must be a contlm.Sweep, got {type(sweep).__name__}, which has no .{needed}"
            )
    target = Path(path)
    with whole_file(target) as beside:
        beside.write_text(page_of(sweep, title), encoding="utf-8")
    return target
