"""contlm explore: sliders over a model, as a local web page."""

from __future__ import annotations

import argparse
import sys
import threading
import webbrowser
from typing import Any

from contlm.cli.common import (
    add_model_arguments,
    add_point_arguments,
    load_model,
    new_parser,
    weights_of,
)
from contlm.explore.settings import Settings

_EXAMPLE = """\
  contlm explore
  contlm explore --alpha sentiment=1 --alpha formality=0 --samples 16 "One morning"
  contlm explore --model ./base --attribute sentiment=./sad,./happy \\
      --classifier sentiment=./sentiment-classifier --port 8080 --no-browser"""

# pages that write at once; each run holds its own KV cache, and a merged copy where that is chosen
_CONCURRENT = 2
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands, "explore", "Move sliders and see the text change, in a browser.", _EXAMPLE
    )
    parser.add_argument("prompt", nargs="?", help="what is continued (default: a bundled one)")
    add_model_arguments(parser)
    add_point_arguments(parser)
    parser.add_argument(
        "--classifier",
        metavar="NAME=DIR",
        action="append",
        default=[],
        help="a classifier whose score is shown (default: the bundled ones, for the bundled model)",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=Settings.samples,
        help="texts of each side that scores are means of (default: %(default)s)",
    )
    parser.add_argument(
        "--top-p",
        type=float,
        default=Settings.top_p,
        help="sample from the likeliest tokens of this probability (default: %(default)g, all)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="(default: 127.0.0.1, this machine)")
    parser.add_argument("--port", type=int, default=0, help="(default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from contlm import explore

    try:
        from contlm.explore.server import serve
    except ModuleNotFoundError as error:
        raise ValueError(str(explore.missing(error))) from error
    session = explore.make_session(
        load_model(arguments),
        arguments.prompt,
        dict(_classifier(text) for text in arguments.classifier) or None,
        alpha=weights_of("--alpha", arguments.alpha),
        lam=weights_of("--lam", arguments.lam),
        samples=arguments.samples,
        top_p=arguments.top_p,
        concurrent=_CONCURRENT,
    )
    if arguments.host not in _LOOPBACK:
        print(
            f"contlm: {arguments.host} may be reached from other machines; whoever has the "
            "address below can use the model",
            file=sys.stderr,
        )

    def ready(address: str) -> None:
        print(f"contlm explore: {address}\nCtrl-C ends it.", flush=True)
        if not arguments.no_browser:
            # a browser in the terminal would not come back before it is left
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    serve(session, arguments.host, arguments.port, ready)
    return 0


def _classifier(text: str) -> tuple[str, str]:
    name, separator, directory = text.partition("=")
    if not separator or not name or not directory:
        raise ValueError(f"--classifier: must be NAME=DIR, got {text!r}")
    return name, directory
