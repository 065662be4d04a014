"""A figure as an SVG element that can stand in a page beside others."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
from matplotlib.figure import Figure

from contlm.plot.style import STYLE

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
# matplotlib's own style element would reach every stroke of the page
_STROKES = "stroke-linejoin:round;stroke-linecap:butt"


def inline_svg(figure: Figure, prefix: str, title: str) -> str:
    """The figure as <svg>, its ids led by `prefix` so that two figures on a page share none, its
    text as text, and with nothing that changes from one run to the next."""
    buffer = io.BytesIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": prefix}):
        figure.savefig(
            buffer, format="svg", bbox_inches="tight", pad_inches=0.04, metadata={"Date": None}
        )
    root = ET.fromstring(buffer.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "id":
                element.set(name, f"{prefix}-{value}")
            elif name == f"{{{_XLINK}}}href" and value.startswith("#"):
                element.set(name, f"#{prefix}-{value[1:]}")
            elif "url(#" in value:
                element.set(name, re.sub(r"url\(#", f"url(#{prefix}-", value))
    width = root.get("width", "480pt")
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", title)
    root.set("style", f"{_STROKES};width:calc({width} * 1.35);max-width:max(100%, 560px)")
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    return ET.tostring(root, encoding="unicode")
