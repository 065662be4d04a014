"""A spec opened: the base model and its anchors in an engine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from contlm._common.checks import positive_or_zero
from contlm._native import Engine
from contlm.loading.adapters import add_adapters, check_attributes
from contlm.loading.checkpoint import BaseCheckpoint, open_checkpoint
from contlm.loading.placement import compute_dtype, device_name
from contlm.loading.spec import ModelSpec


@dataclass(frozen=True)
class LoadedModel:
    """What `load_model` returns. spec: with the dtype and device that were chosen; warnings: what
    the adapter reader warned of."""

    engine: Engine
    base: BaseCheckpoint
    attributes: tuple[str, ...]
    spec: ModelSpec
    warnings: tuple[str, ...]


def load_model(spec: ModelSpec) -> LoadedModel:
    """Opens what a spec names; `Interpolator.from_pretrained` lists the errors."""
    pairs = check_attributes(spec.attributes)
    base = open_checkpoint(spec.model, spec.tokenizer)
    engine = Engine(
        base.config_text,
        base.weights,
        where=base.where,
        dtype=compute_dtype(spec.dtype),
        device=device_name(spec.device),
        threads=positive_or_zero("threads", spec.threads),
        max_rows=positive_or_zero("max_rows", spec.max_rows),
    )
    warnings = add_adapters(engine, pairs, base.model)
    opened = replace(spec, attributes=pairs, dtype=engine.dtype, device=engine.device)
    return LoadedModel(engine, base, tuple(pairs), opened, tuple(warnings))
