"""README.md's tables of speed, made of benchmarks/results.

    python benchmarks/readme_tables.py            # prints them
    python benchmarks/readme_tables.py --write    # fills the regions <!-- benchmarks:NAME -->
    python benchmarks/readme_tables.py --check    # fails where README.md holds others

A figure that no result has is a dash.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
README, RESULTS = ROOT / "README.md", ROOT / "benchmarks" / "results"
DTYPES = ("float32", "bfloat16")
ABSENT = "-"
GENERATE = (
    "contlm, each row at its own point",
    "contlm, each row at its own point of a simplex",
    "contlm, another point at every call",
    "contlm, one point, not merged",
    "contlm, one point",
    "PEFT, ten adapters active",
    "PEFT, one cat adapter",
    "PEFT, merged",
)
NAMES = {"PEFT, ten adapters active": "PEFT, ten adapters active, one point for all rows"}
METRICS = {
    "scoring": "RoBERTa-base scoring, texts/s",
    "perplexity": "perplexity, tokens/s",
    "dist_n": "dist-1 to 3 of {texts} texts, ms",
}
OPENING = {
    "open": "from files to a first token, ten adapters, ms",
    "retarget": "moving to another point, ms",
}


def tables(results: Path = RESULTS) -> dict[str, str]:
    """Name -> the region's Markdown."""
    return {
        "generate": generate(load(results, "generate")),
        "sweep": sweep(load(results, "sweep")),
        "metrics": metrics(load(results, "metrics"), load(results, "generate")),
    }


def load(results: Path, name: str) -> list[dict[str, Any]]:
    """A benchmark's result in each dtype; {} for one that was not made."""
    paths = [results / f"{name}_{dtype}_cpu.json" for dtype in DTYPES]
    return [json.loads(p.read_text(encoding="utf-8")) if p.exists() else {} for p in paths]


def generate(results: list[dict[str, Any]]) -> str:
    rows = sorted({rows for r in results for rows in r.get("generate", {})}, key=int)
    head = ["tokens/s (share of the bound)"]
    head += [f"{n} rows, {dtype}" for n in rows for dtype in DTYPES]

    def found(n: str, name: str, result: dict[str, Any]) -> dict[str, Any]:
        return at(result, "generate", n, "figures", name)

    def times(n: str, name: str, result: dict[str, Any]) -> str:
        return ratio(at(result, "generate", n, "ratios", name))

    body = [
        [NAMES.get(name, name)]
        + [rate(found(n, name, r), "tokens_per_s") for n in rows for r in results]
        for name in GENERATE
    ]
    pairs = dict.fromkeys(
        name for r in results for n in rows for name in at(r, "generate", n, "ratios")
    )
    body += [
        ["times as fast: " + " against ".join(reversed(pair.split(" / ")))]
        + [times(n, pair, r) for n in rows for r in results]
        for pair in pairs
    ]
    tokens = " + ".join(str(setting(results, f"{what}_tokens")) for what in ("prompt", "new"))
    return "\n\n".join(
        [
            f"{setting(results, 'shape')}; rows of {tokens} tokens, over prefill and decode; "
            f"{made_on(results)}:",
            table(head, body),
            how(results, [at(r, "generate") for r in results]),
        ]
    )


def sweep(results: list[dict[str, Any]]) -> str:
    head = ["seconds per point (share of the bound)", *DTYPES]
    names = {
        "contlm": "contlm, `lm.sweep`",
        "peer": "PEFT and transformers, one merged `cat` adapter per point",
    }
    body = [
        [label, *(per_point(at(r, "sweep", "figures", name)) for r in results)]
        for name, label in names.items()
    ]
    parts = {"total": "the loop", "generate": "generating", "score": "scoring"}
    parts["perplexity"] = "perplexity"
    body += [
        [f"times as fast: {label}", *(ratio(at(r, "sweep", "ratios", part)) for r in results)]
        for part, label in parts.items()
    ]
    body += [
        [f"peak memory, {name}, MiB"]
        + [number(at(r, "sweep", "figures", side, "memory_mib").get("peak")) for r in results]
        for side, name in {"contlm": "contlm", "peer": "PEFT and transformers"}.items()
    ]
    sizes = ("points", "prompts", "samples", "new_tokens", "classifiers", "perplexity_tokens")
    said = {what: setting(results, what) for what in sizes}
    return "\n\n".join(
        [
            "The whole loop on that shape - {points} points of a simplex, {prompts} prompts, "
            "{samples} samples of {new_tokens} tokens, {classifiers} RoBERTa-base classifiers, "
            "perplexity of {perplexity_tokens} tokens at every point, dist-n; ".format(**said)
            + f"{made_on(results)}:",
            table(head, body),
            how(results, [at(r, "sweep") for r in results]),
        ]
    )


def metrics(results: list[dict[str, Any]], generated: list[dict[str, Any]]) -> str:
    head = ["", *(f"{side}, {dtype}" for dtype in DTYPES for side in ("contlm", "peer", "times"))]
    body = []
    for name, label in METRICS.items():
        cells = []
        for result in results:
            for side in ("contlm", "peer"):
                found = at(result, name, "figures", side)
                cells.append(milli(found) if name == "dist_n" else rate(found))
            cells.append(ratio(at(result, name, "ratios", "peer / contlm")))
        body.append([label.format(texts=at(results[0], "dist_n").get("texts", ABSENT)), *cells])
    for name, label in OPENING.items():
        cells = []
        for result in generated:
            cells += [milli(at(result, name, "figures", side)) for side in ("contlm", "PEFT")]
            cells.append(ratio(at(result, name, "ratios", "PEFT / contlm")))
        body.append([label, *cells])
    shown = [(r, name) for r in results for name in METRICS]
    shown += [(r, name) for r in generated for name in OPENING]
    return "\n\n".join(
        [
            "By parts, against transformers, PEFT and a Python loop of sets "
            f"(share of the bound); {made_on(results)}:",
            table(head, body),
            how(results, [at(r, name) for r, name in shown]),
        ]
    )


def how(results: list[dict[str, Any]], shown: list[dict[str, Any]]) -> str:
    """How the figures shown came about: their calls, the widest spread of any, and the bound."""
    spreads = [s for found in shown for s in seconds_of(found) if s["count"]]
    if not spreads:
        said = "Medians, of as many calls as the results do not say"
    else:
        counts = ", ".join(map(str, sorted({s["count"] for s in spreads})))
        far = max(abs(s[end] / s["median"] - 1) for s in spreads for end in ("q1", "q3"))
        said = f"Medians of {counts} calls; the middle half of any lies within {far:.0%} of it"
    bounds = [f"{dtype} {b}" for dtype, r in zip(DTYPES, results, strict=True) if (b := bound(r))]
    return said + "." + (f" The bound: {'; '.join(bounds)}." if bounds else "")


def seconds_of(found: Any) -> Iterator[dict[str, float]]:
    if isinstance(found, dict):
        for key, value in found.items():
            yield from [value] if key == "seconds" else seconds_of(value)


def bound(result: dict[str, Any]) -> str:
    rates = at(result, "bound")
    rates = rates.get("decoder", rates) or at(result, "perplexity", "bound")
    if "product_gflops" not in rates:
        return ""
    return f"{rates['product_gflops']:.0f} GFLOP/s and {rates['read_gb_per_s']:.0f} GB/s"


def made_on(results: list[dict[str, Any]]) -> str:
    """The machine, of every result that has another."""
    said = []
    for machine in (at(r, "machine") for r in results if r):
        name = f"{machine['threads']} threads on {machine['cores']} cores of {machine['processor']}"
        name += f", torch {machine['torch']}, transformers {machine['transformers']}"
        name += f", PEFT {machine['peft']}"
        if machine.get("commit"):
            name += f", contlm {machine['commit']}"
        said.append(name)
    return "; ".join(dict.fromkeys(said)) or "not measured"


def setting(results: list[dict[str, Any]], name: str) -> Any:
    values = dict.fromkeys(r["setting"][name] for r in results if name in at(r, "setting"))
    return " and ".join(map(str, values)) or ABSENT


def at(found: dict[str, Any], *keys: str) -> dict[str, Any]:
    for key in keys:
        found = found.get(key) or {}
    return found


def rate(found: dict[str, Any], per_s: str | None = None) -> str:
    name = per_s or next((key for key in found if key.endswith("_per_s")), "")
    return with_share(number(found.get(name)), found)


def per_point(found: dict[str, Any]) -> str:
    rate = found.get("points_per_s")
    return with_share(number(1 / rate if rate else None), found)


def milli(found: dict[str, Any]) -> str:
    return number(1e3 * found["seconds"]["median"]) if found else ABSENT


def with_share(value: str, found: dict[str, Any]) -> str:
    share = found.get("share_of_bound")
    return value if share is None else f"{value} ({share:.0%})"


def ratio(found: dict[str, float]) -> str:
    return f"{found['median']:.1f}" if found else ABSENT


def number(value: float | None) -> str:
    """Two digits at least, and none after the point from 100 on."""
    if value is None:
        return ABSENT
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def table(head: list[str], body: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *body])


def fill(page: str, regions: dict[str, str]) -> str:
    """`page` with every region in its place; ValueError for one that has none."""
    for name, text in regions.items():
        opened, closed = f"<!-- benchmarks:{name} -->\n", f"<!-- /benchmarks:{name} -->"
        place = re.compile(f"(?<={re.escape(opened)}).*?(?={re.escape(closed)})", re.S)
        page, count = place.subn((text + "\n").replace("\\", r"\\"), page)
        if count != 1:
            raise ValueError(f"readme: must hold {opened.strip()} ... {closed} once, got {count}")
    return page


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--write", action="store_true")
    action.add_argument("--check", action="store_true")
    args = parser.parse_args()
    if not (args.write or args.check):
        print("\n\n".join(tables().values()))
        return 0
    page = README.read_text(encoding="utf-8")
    filled = fill(page, tables())
    if args.write:
        README.write_text(filled, encoding="utf-8")
    elif page != filled:
        print(f"{README}: must hold what results say; run benchmarks/readme_tables.py --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
