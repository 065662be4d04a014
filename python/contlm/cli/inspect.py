"""contlm inspect: what an adapter adapts, and how strongly."""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

from contlm._common.json_text import read_object
from contlm._native import AdapterError, Engine, TensorSource, read_peft_adapter
from contlm.cli.common import new_parser, print_table
from contlm.loading.checkpoint import open_checkpoint
from contlm.loading.hub import resolve_directory
from contlm.loading.target_patterns import match_names

_EXAMPLE = """\
  contlm inspect ./happy
  contlm inspect ./happy --base ./base --modules"""

# lora_A.weight as PEFT writes it, with or without its prefix or an adapter's name; embeddings have
# no ".weight"
_KEY = re.compile(
    r"^(?:base_model\.model\.)?(?P<module>.+)\."
    r"(?:lora_(?P<factor>[AB])(?:\.[^.]+)?\.weight|lora_embedding_(?P<table>[AB])(?:\.[^.]+)?)$"
)

ModuleTable = dict[str, tuple[str, int, int]]


def add_parser(commands: Any) -> None:
    parser = new_parser(
        commands,
        "inspect",
        "Show a PEFT adapter: rank, scaling, modules, norms, warnings.",
        _EXAMPLE,
    )
    parser.add_argument("adapter", metavar="ADAPTER", help="an adapter's directory or hub id")
    parser.add_argument("--base", metavar="DIR", help="check it against this base model too")
    parser.add_argument("--modules", action="store_true", help="one line per module, not per kind")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    directory = resolve_directory(arguments.adapter, "adapter")
    if arguments.base is None:
        modules = modules_of_tensors(directory)
    else:
        base = open_checkpoint(arguments.base)
        modules = Engine(base.config_text, base.weights, where=base.where).modules()
    adapter = read_peft_adapter(directory, modules, match_names)
    found = adapter.modules()
    _print_summary(directory, found)
    rows = _module_rows(found) if arguments.modules else _kind_rows(found)
    print()
    print_table(["module", "count", "in x out", "rank", "scaling", "|delta|"], rows)
    for warning in adapter.warnings:
        print(f"warning: {warning}")
    return 0


def modules_of_tensors(directory: Path) -> ModuleTable:
    """The adapted modules and their shapes, read off an adapter's tensors, for want of a base."""
    file = directory / "adapter_model.safetensors"
    if not file.is_file():
        # the reader's own error says what is missing and how to convert what is there
        read_peft_adapter(directory, {}, match_names)
    source = TensorSource.open_safetensors(file)
    ins: dict[str, int] = {}
    outs: dict[str, int] = {}
    embeddings = set()
    for key in source.names():
        match = _KEY.match(key)
        if match is None:
            continue
        shape = source.shape(key)
        if len(shape) != 2:
            raise AdapterError(f"{file}: {key} must be a matrix, its shape is {list(shape)}")
        if (match["factor"] or match["table"]) == "A":
            ins[match["module"]] = shape[1]
        else:
            outs[match["module"]] = shape[0]
        if match["table"]:
            embeddings.add(match["module"])
    return {
        name: ("embedding" if name in embeddings else "linear", ins[name], outs[name])
        for name in sorted(ins.keys() & outs.keys())
    }


def delta_norm(module: dict[str, Any]) -> float:
    """Frobenius norm of scaling B A, in low-rank form: s sqrt(trace((B^T B)(A A^T)))."""
    a, b = module["A"].double(), module["B"].double()
    squared = torch.sum((b.T @ b) * (a @ a.T)).clamp(min=0.0)
    return float(abs(module["scaling"]) * squared.sqrt())


def _print_summary(directory: Path, modules: dict[str, dict[str, Any]]) -> None:
    config = read_object(directory / "adapter_config.json", AdapterError)
    parameters = sum(m["A"].numel() + m["B"].numel() for m in modules.values())
    norm = sum(delta_norm(m) ** 2 for m in modules.values()) ** 0.5
    scaling = "lora_alpha / sqrt(r)" if config.get("use_rslora") else "lora_alpha / r"
    dtypes = sorted({str(m["A"].dtype).removeprefix("torch.") for m in modules.values()})
    print(f"adapter     {directory}")
    print(f"base        {config.get('base_model_name_or_path') or 'not said'}")
    print(f"rank        {_span([m['r'] for m in modules.values()])}")
    print(f"scaling     {_span([m['scaling'] for m in modules.values()])} ({scaling})")
    print(f"modules     {len(modules)}, {parameters:,} parameters, {', '.join(dtypes)}")
    print(f"|delta|     {norm:.4g} (Frobenius, all modules)")
    for name in ("rank_pattern", "alpha_pattern"):
        if config.get(name):
            print(f"{name.ljust(12)}{', '.join(f'{k}: {v}' for k, v in config[name].items())}")
    if config.get("lora_bias"):
        print("lora_bias   yes")


def _kind_rows(modules: dict[str, dict[str, Any]]) -> list[list[str]]:
    """One line for the modules that differ in nothing but their layer."""
    kinds: dict[tuple[str, int, int], list[dict[str, Any]]] = defaultdict(list)
    for name, module in modules.items():
        kind = re.sub(r"\.\d+\.", ".*.", name)
        kinds[kind, module["A"].shape[1], module["B"].shape[0]].append(module)
    return [
        [
            kind,
            str(len(group)),
            f"{features_in} x {features_out}",
            _span([m["r"] for m in group]),
            _span([m["scaling"] for m in group]),
            _span([delta_norm(m) for m in group]),
        ]
        for (kind, features_in, features_out), group in kinds.items()
    ]


def _module_rows(modules: dict[str, dict[str, Any]]) -> list[list[str]]:
    return [
        [
            name,
            "1",
            f"{m['A'].shape[1]} x {m['B'].shape[0]}",
            str(m["r"]),
            f"{m['scaling']:.4g}",
            f"{delta_norm(m):.4g}",
        ]
        for name, m in modules.items()
    ]


def _span(values: list[float]) -> str:
    """ "8", or "4 .. 16" where they differ."""
    if not values:
        return "none"
    low, high = f"{min(values):.4g}", f"{max(values):.4g}"
    return low if low == high else f"{low} .. {high}"
