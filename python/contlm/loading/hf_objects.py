"""Models and adapters given as transformers and peft objects: their tensors by reference, their
configs as JSON."""

from __future__ import annotations

import enum
import json
import sys
from collections.abc import Mapping
from typing import Any, TypeGuard

import torch

from contlm._native import AdapterError, CheckpointError, TensorSource

# What PEFT keeps beside a wrapped module's own weight, by the part of the name that gives it away
_PEFT_PARTS = (
    ".lora_A.",
    ".lora_B.",
    ".lora_embedding_A.",
    ".lora_embedding_B.",
    ".lora_magnitude_vector.",
    ".modules_to_save.",
    ".token_adapter.",
    ".trainable_tokens_delta.",
    ".trainable_tokens_original.",
)


def is_transformers_model(source: object) -> bool:
    """Whether `source` is a transformers.PreTrainedModel; imports nothing."""
    transformers = sys.modules.get("transformers")
    return transformers is not None and isinstance(source, transformers.PreTrainedModel)


def is_peft_model(source: object) -> bool:
    """Whether `source` is a peft.PeftModel; imports nothing."""
    peft = sys.modules.get("peft")
    return peft is not None and isinstance(source, peft.PeftModel)


def is_model_object(source: object) -> TypeGuard[torch.nn.Module]:
    """Whether `source` is a model that transformers or PEFT made."""
    return is_peft_model(source) or is_transformers_model(source)


def base_model(model: Any) -> Any:
    """The transformers model inside a PeftModel, or the model itself."""
    return model.get_base_model() if is_peft_model(model) else model


def where_of(model: Any) -> str:
    """What messages call a model in memory."""
    return f"{type(base_model(model)).__name__} in memory"


def config_text(model: Any) -> str:
    """The model's config.json, with the dtype that its weights have now."""
    base = base_model(model)
    config = json.loads(base.config.to_json_string(use_diff=False))
    config["architectures"] = [type(base).__name__]
    config["dtype"] = str(base.dtype).removeprefix("torch.")
    config.pop("torch_dtype", None)
    if config.get("quantization_config"):
        raise CheckpointError(
            f"{where_of(model)}: must not be quantized, its config has a quantization_config; load "
            "the model in float32, bfloat16 or float16"
        )
    return json.dumps(config)


def weights(model: Any) -> TensorSource:
    """The base model's own tensors under their checkpoint names, by reference.

    CheckpointError when an adapter is merged into them, or for a tensor that is on the meta device,
    quantized, sparse or not contiguous.
    """
    base = base_model(model)
    where = where_of(model)
    _require_unmerged(base, where)
    tensors: dict[str, torch.Tensor] = {}
    for name, tensor in base.state_dict().items():
        if any(part in f".{name}" for part in _PEFT_PARTS):
            continue
        plain = name.replace(".base_layer.", ".").replace(".original_module.", ".")
        tensors[plain] = _usable(tensor, plain, where, CheckpointError)
    if getattr(base.config, "tie_word_embeddings", False):
        _drop_tied_head(base, tensors)
    return TensorSource.from_tensors(tensors, where)


def adapter_names(model: Any) -> list[str]:
    """The adapters that a model in memory carries."""
    return list(getattr(model, "peft_config", None) or {})


def adapter(model: Any, name: str) -> tuple[str, TensorSource]:
    """One adapter of a model in memory: adapter_config.json's text and its tensors as PEFT would
    save them."""
    from peft import get_peft_model_state_dict

    where = f"adapter {name!r} of {where_of(model)}"
    config = json.dumps(json_value(model.peft_config[name].to_dict()))
    # with the state dict given, PEFT leaves out checks that take a bias for a broken shard
    state = get_peft_model_state_dict(
        model, model.state_dict(), adapter_name=name, save_embedding_layers=False
    )
    # transformers' own add_adapter leaves no PeftModel around the model
    prefix = "" if is_peft_model(model) else "base_model.model."
    tensors = {
        prefix + key: _usable(tensor, key, where, AdapterError) for key, tensor in state.items()
    }
    return config, TensorSource.from_tensors(tensors, where)


def only_adapter(model: Any, where: str) -> str:
    """The adapter that a PeftModel given as an anchor stands for: its only one, or its only active
    one."""
    names = adapter_names(model)
    active = [names[0]] if len(names) == 1 else list(model.active_adapters)
    if len(active) != 1:
        raise AdapterError(
            f"{where}: a PeftModel given as an anchor must have one active adapter, it has "
            f"{len(active)} of {', '.join(names)}; choose one with set_adapter"
        )
    return str(active[0])


def own_eos(model: Any) -> Any:
    """eos_token_id as the model's generation config has it, or its config."""
    base = base_model(model)
    generation = getattr(base, "generation_config", None)
    found = getattr(generation, "eos_token_id", None)
    return found if found is not None else getattr(base.config, "eos_token_id", None)


def json_value(value: Any) -> Any:
    """`value` in JSON's own types: enums by value, sets sorted, anything unknown by its text."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(json_value(item) for item in value)
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


def _require_unmerged(base: torch.nn.Module, where: str) -> None:
    for name, module in base.named_modules():
        merged = getattr(module, "merged_adapters", None)
        if isinstance(merged, list) and merged:
            raise CheckpointError(
                f"{where}: {name} has adapters merged into its weight ({', '.join(merged)}), but "
                "the base must be as it was; call unmerge_adapter(), or load the base anew"
            )


def _usable(tensor: torch.Tensor, name: str, where: str, error: type[ValueError]) -> torch.Tensor:
    problem = None
    if tensor.is_meta:
        problem = "on the meta device (it has no values); load the model without offloading"
    elif tensor.is_quantized or not (tensor.is_floating_point() or tensor.dtype in _INDEX_DTYPES):
        problem = f"of dtype {tensor.dtype}; load the model in float32, bfloat16 or float16"
    elif tensor.layout != torch.strided:
        problem = f"of layout {tensor.layout}; call to_dense()"
    elif not tensor.is_contiguous():
        problem = (
            f"of strides {tensor.stride()} for shape {list(tensor.shape)}; call contiguous() on it"
        )
    if problem is not None:
        raise error(
            f"{where}: tensor {name} must be a dense contiguous tensor of numbers, it is {problem}"
        )
    return tensor.detach()


# buffers such as GPT-2's causal mask: read by nobody, refused by nobody
_INDEX_DTYPES = (torch.bool, torch.int32, torch.int64)


def _drop_tied_head(base: Any, tensors: dict[str, torch.Tensor]) -> None:
    """Leaves out the head that is the input embedding, as a saved checkpoint does."""
    embedding = base.get_input_embeddings().weight
    for name in [n for n in tensors if n.startswith("lm_head.") and n.endswith("weight")]:
        if tensors[name].data_ptr() == embedding.data_ptr():
            del tensors[name]
