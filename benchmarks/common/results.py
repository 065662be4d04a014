"""Results as JSON, with the machine and the code that made them."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import torch

from .bounds import Bound
from .timing import Seconds, paired_ratio, spread
from .work import Pass

RESULTS = Path(__file__).parent.parent / "results"


def figure(seconds: list[float], bound_s: float | None = None, **amounts: float) -> dict[str, Any]:
    """The seconds' spread, what is done per second of the median, and the share of the bound: the
    least seconds that the machine allows over the median."""
    found: dict[str, Any] = {"seconds": spread(seconds)}
    median = found["seconds"]["median"]
    found |= {f"{name}_per_s": amount / median for name, amount in amounts.items()}
    if bound_s is not None:
        found |= {"bound_s": bound_s, "share_of_bound": bound_s / median}
    return found


def compared(
    seconds: Seconds,
    needed: dict[str, list[Pass]],
    bound: Bound | None,
    ratios: list[tuple[str, str]],
    **amounts: float,
) -> dict[str, Any]:
    """A figure for each side, and for pairs (peer, ours) how many times as long the peer takes."""
    figures = {
        name: figure(
            values, bound.seconds(needed[name]) if bound and name in needed else None, **amounts
        )
        for name, values in seconds.items()
    }
    times = {
        f"{peer} / {ours}": paired_ratio(seconds[peer], seconds[ours])
        for peer, ours in ratios
        if peer in seconds
    }
    return {"figures": figures, "ratios": times}


def print_figures(found: dict[str, Any], name: str = "") -> None:
    """Every figure and ratio of a result, wherever it stands, a line each."""
    if "seconds" in found:
        rates = [f"{v:.1f} {k}" for k, v in found.items() if k.endswith("_per_s")]
        share = found.get("share_of_bound")
        more = [*rates, *([f"{share:.0%} of the bound"] if share is not None else [])]
        print(f"{name:82} {in_words(found['seconds'])} s   {', '.join(more)}")
    elif "median" in found:
        print(f"{name:82} {in_words(found)} times")
    else:
        for key, value in found.items():
            if isinstance(value, dict):
                print_figures(value, f"{name} {key}".removesuffix(" figures").strip())
            elif {"bound", "checks"} & set(name.split()):
                print(f"{f'{name} {key}':82} {value}")


def in_words(values: dict[str, float]) -> str:
    return f"{values['median']:.4g} ({values['min']:.4g} to {values['max']:.4g})"


def machine() -> dict[str, Any]:
    import contlm
    import peft
    import transformers

    found: dict[str, Any] = {
        "processor": processor(Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "cpu_capability": contlm._native.cpu_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "contlm": contlm.__version__,
        "commit": commit(),
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def processor(cpuinfo: str) -> str:
    """The model's name, with the core's where the name hides it, as a hypervisor's may."""
    known = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", cpuinfo.split("\n\n")[0], re.M))
    name = known.get("model name", platform.processor())
    core = _core(known.get("vendor_id"), *(int(known.get(k, 0)) for k in ("cpu family", "model")))
    return f"{name}, {core}" if core else name


def _core(vendor: str | None, family: int, model: int) -> str | None:
    if vendor == "AuthenticAMD" and family == 25:
        return "Zen 4" if 0x10 <= model < 0x20 or 0x60 <= model < 0xB0 else "Zen 3"
    known: dict[tuple[object, ...], str] = {
        ("AuthenticAMD", 26): "Zen 5",
        ("GenuineIntel", 6, 85): "Skylake or Cascade Lake",
        ("GenuineIntel", 6, 106): "Ice Lake",
        ("GenuineIntel", 6, 143): "Sapphire Rapids",
        ("GenuineIntel", 6, 173): "Granite Rapids",
        ("GenuineIntel", 6, 207): "Emerald Rapids",
    }
    return known.get((vendor, family, model)) or known.get((vendor, family))


def commit() -> str | None:
    """contlm's, with + where files differ from it; None outside a checkout."""
    root = Path(__file__).parent.parent.parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    changed = git("status", "--porcelain", "--", "python", "csrc", "benchmarks/*.py")
    return (git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")) or None


def write_result(name: str, result: dict[str, Any], out: Path | None = None) -> Path:
    path = (out or RESULTS) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), **result}, indent=2) + "\n", encoding="utf-8")
    return path
