"""The model that a run trains: a frozen base with new LoRA factors, and its loss."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, one_hot

from contlm.loading.hub import resolve_directory
from contlm.train.batches import Batch
from contlm.train.presets import Preset


@dataclass(frozen=True)
class Base:
    """A base model's folder, the name that its user gave, and its tokenizer."""

    name: str
    directory: Path
    tokenizer: Any

    @property
    def pad(self) -> int:
        """What fills a batch up; no loss sees it."""
        tokenizer = self.tokenizer
        return int(
            tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id
        )


def open_base(base: str | os.PathLike[str]) -> Base:
    """A folder or hub id of a decoder, with a tokenizer that has an end of text."""
    try:
        import peft  # noqa: F401
        from transformers import AutoTokenizer
    except ImportError as error:
        raise ImportError(
            f"training: needs transformers and peft ({error}); pip install 'contlm[train]'"
        ) from error
    directory = resolve_directory(base, "base")
    tokenizer = AutoTokenizer.from_pretrained(directory)
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"{directory}: its tokenizer must have an end of text (eos_token), it names none; "
            "anchors learn where a text ends"
        )
    return Base(os.fspath(base), directory, tokenizer)


@dataclass(frozen=True)
class LanguageTask:
    """Next-token prediction: the negative log-likelihood of a batch's own tokens."""

    measure: ClassVar[str] = "nats per token"

    def model(self, base: Base, preset: Preset) -> Any:
        from transformers import AutoModelForCausalLM

        return _adapted(AutoModelForCausalLM, base, preset, "CAUSAL_LM", {})

    def losses(self, model: Any, batch: Batch) -> Tensor:
        """[N], one per token that is predicted; logits exist nowhere else."""
        head = model.get_output_embeddings()
        chosen = head.register_forward_pre_hook(lambda _, given: (given[0][batch.predicts],))
        try:
            logits = model(
                input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False
            ).logits
        finally:
            chosen.remove()
        return cross_entropy(logits.float(), batch.targets, reduction="none")

    def held_out(self, model: Any, batch: Batch) -> dict[str, Tensor]:
        """Figures of a batch, each [N]."""
        return {"loss": self.losses(model, batch)}


@dataclass(frozen=True)
class ClassTask:
    """Binary cross-entropy on each class's logit: the sigmoid of one is a probability by itself,
    which is what a classifier's score is."""

    labels: int
    measure: ClassVar[str] = "nats per class"

    def model(self, base: Base, preset: Preset) -> Any:
        from transformers import AutoModelForSequenceClassification

        shape = {"num_labels": self.labels, "pad_token_id": base.pad}
        model = _adapted(AutoModelForSequenceClassification, base, preset, "SEQ_CLS", shape)
        # PEFT has it learn every module that is named like a head of any family
        model.peft_config["default"].modules_to_save = ["score"]
        return model

    def losses(self, model: Any, batch: Batch) -> Tensor:
        """[B, labels]."""
        return self._losses(self._logits(model, batch), batch)

    def held_out(self, model: Any, batch: Batch) -> dict[str, Tensor]:
        """Figures of a batch, [B, labels] and [B]."""
        logits = self._logits(model, batch)
        right = logits.argmax(-1) == batch.labels
        return {"loss": self._losses(logits, batch), "accuracy": right.float()}

    def _logits(self, model: Any, batch: Batch) -> Tensor:
        logits: Tensor = model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False
        ).logits
        return logits.float()

    def _losses(self, logits: Tensor, batch: Batch) -> Tensor:
        truth = one_hot(batch.labels, self.labels).to(logits.dtype)
        return binary_cross_entropy_with_logits(logits, truth, reduction="none")


Task: TypeAlias = LanguageTask | ClassTask


def trained(model: Any) -> dict[str, torch.nn.Parameter]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _adapted(factory: Any, base: Base, preset: Preset, task: str, shape: dict[str, Any]) -> Any:
    """The base in float32, or in 4 bits, with new LoRA factors drawn from torch's generator."""
    import peft

    quantization = _quantization(preset)
    model = factory.from_pretrained(
        base.directory, dtype=torch.float32, quantization_config=quantization, **shape
    )
    if quantization is None:
        model.to("cuda" if torch.cuda.is_available() else "cpu")
    else:
        model = peft.prepare_model_for_kbit_training(model)
    model.name_or_path = base.name
    targets = preset.target_modules
    lora = peft.LoraConfig(
        task_type=task,
        r=preset.r,
        lora_alpha=preset.lora_alpha,
        lora_dropout=preset.lora_dropout,
        target_modules=list(targets) if isinstance(targets, tuple) else targets,
        bias="none",
    )
    return peft.get_peft_model(model, lora)


def quantizes(preset: Preset) -> bool:
    """Whether the base is in 4 bits: where the preset asks for it and this machine can."""
    from transformers.utils import is_bitsandbytes_available

    return preset.quantized and torch.cuda.is_available() and is_bitsandbytes_available()


def _quantization(preset: Preset) -> Any:
    """bitsandbytes' 4-bit NormalFloat, or None, with a warning where it is asked for in vain."""
    if quantizes(preset):
        from transformers import BitsAndBytesConfig

        return BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
        )
    if preset.quantized:
        warnings.warn(
            f"preset {preset.name!r}: a 4-bit base needs a CUDA device and bitsandbytes; the base "
            "is trained on in float32",
            UserWarning,
            stacklevel=2,
        )
    return None
