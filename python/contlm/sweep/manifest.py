"""The manifest of a sweep: what makes it what it is, and what is only noted."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from contlm._native import __version__, cpu_capability
from contlm.loading.fingerprint import text_digest
from contlm.sweep.plan import Evaluators, SweepPlan

if TYPE_CHECKING:
    from contlm.model.interpolated import InterpolatedModel

FORMAT = "contlm.sweep/1"
# keys that may differ between the runs that share a folder: they do not enter the results
_NOTED = {"machine", "started", "from"}
_SHOWN_DIFFERENCES = 5


def make_manifest(lm: InterpolatedModel, plan: SweepPlan, evaluators: Evaluators) -> dict[str, Any]:
    """Plain JSON values. Hashes are read once per model, which takes a moment for a large one."""
    measured = None
    if plan.perplexity_text is not None:
        measured = {"sha256": text_digest(plan.perplexity_text), **plan.perplexity_options}
    return {
        "format": FORMAT,
        "versions": {"contlm": __version__, "torch": torch.__version__},
        "seed": plan.seed,
        "sampling": {
            "num_return_sequences": plan.samples,
            "max_new_tokens": plan.max_new_tokens,
            **plan.sampling,
        },
        "metrics": list(plan.metrics),
        "perplexity": measured,
        "model": _model(lm),
        "classifiers": {name: evaluators.classifiers[name].fingerprint for name in plan.scores},
        "judge": None if evaluators.judge is None else _base(evaluators.judge),
        "attributes": list(plan.attributes),
        "grid": plan.grid.to_dict(),
        "prompts": list(plan.prompts),
        "units": len(plan.units()),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": _machine(lm),
    }


def differences(stored: Any, asked: Any) -> list[str]:
    """What differs between two manifests and enters the results, as "sampling.top_k: has 0, asked
    for 5"."""
    found = list(_differences("", stored, asked))
    more = len(found) - _SHOWN_DIFFERENCES
    return [*found[:_SHOWN_DIFFERENCES], f"{more} more"] if more > 0 else found


def _differences(where: str, stored: Any, asked: Any) -> Iterator[str]:
    if isinstance(stored, Mapping) and isinstance(asked, Mapping):
        for key in dict.fromkeys([*stored, *asked]):
            if key not in _NOTED:
                place = f"{where}.{key}" if where else str(key)
                yield from _differences(place, stored.get(key), asked.get(key))
    elif isinstance(stored, list) and isinstance(asked, list) and len(stored) == len(asked):
        for i, (before, now) in enumerate(zip(stored, asked, strict=True)):
            yield from _differences(f"{where}[{i}]", before, now)
    elif stored != asked:
        yield f"{where}: has {_short(stored)}, asked for {_short(asked)}"


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{...}"
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 3:
        return f"{len(value)} items"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _model(lm: InterpolatedModel) -> dict[str, Any]:
    # another device of the same kind computes the same; another kind does not
    return {**lm.fingerprint, "dtype": lm.dtype, "device": lm.device.partition(":")[0]}


def _base(lm: InterpolatedModel) -> dict[str, Any]:
    """A judge judges as its base does, whatever anchors it has."""
    return {key: value for key, value in _model(lm).items() if key != "anchors"}


def _machine(lm: InterpolatedModel) -> dict[str, Any]:
    packages = ("numpy", "pandas", "pyarrow", "tokenizers")
    return {
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in packages},
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "cpu_capability": cpu_capability(),
        "threads": lm.spec.threads or torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name(lm.device) if "cuda" in lm.device else None,
    }


def _processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
