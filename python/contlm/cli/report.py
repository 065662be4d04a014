"""contlm report: one HTML page of a saved sweep."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from contlm.cli.common import new_parser

_EXAMPLE = "  contlm report ./sweep-result --out report.html"


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands,
        "report",
        "Write one self-contained HTML page of a saved sweep: plots, tables, texts.",
        _EXAMPLE,
    )
    parser.add_argument("result", metavar="RESULT_DIR", help="the folder of a saved sweep")
    parser.add_argument(
        "--out", metavar="FILE", help="the page to write (default: RESULT_DIR/report.html)"
    )
    parser.add_argument("--title", help="the page's heading (default: what was swept)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from contlm.reporting import report
    from contlm.sweep import Sweep

    sweep = Sweep.load(arguments.result)
    out = arguments.out or Path(arguments.result) / "report.html"
    print(f"wrote {report(sweep, out, title=arguments.title)}")
    return 0
