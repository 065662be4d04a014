"""Fine-tuning LoRA adapters on one end of an attribute, or on a mixture of both."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import LlamaForCausalLM

from tiny_world.base_model import NAME, encode_story
from tiny_world.corpora import attribute_corpus, source
from tiny_world.recipe import Recipe
from tiny_world.tokens import token_id
from tiny_world.training import Schedule, batches_by_length, fit

TARGET_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def train_adapter(base: Path, directory: Path, attribute: str, high_fraction: float, recipe: Recipe,
                  seed: int) -> None:
    """Fine-tune on stories of which ``high_fraction`` are high, the rest low; save a PEFT
    adapter."""
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    texts = attribute_corpus(seed, attribute, high_fraction, recipe.anchor_stories)
    rows = [encode_story(tokenizer, text) for text in texts]
    rng = source(seed, f"adapter order/{attribute}/{high_fraction}")
    batches = batches_by_length(rows, recipe.anchor_batch_size, rng, token_id(tokenizer, "<pad>"))
    torch.manual_seed(seed)
    model = get_peft_model(
        LlamaForCausalLM.from_pretrained(base, dtype=torch.float32),
        LoraConfig(r=recipe.lora_rank, lora_alpha=recipe.lora_alpha, lora_dropout=0.0, bias="none",
                   target_modules=list(TARGET_MODULES), task_type="CAUSAL_LM"))
    fit(model, batches, lambda batch: model(**batch).loss,
        Schedule(recipe.anchor_learning_rate, weight_decay=0.0, warmup=0.1), directory.name)
    model.save_pretrained(str(directory))
    _tidy(directory)


def _tidy(directory: Path) -> None:
    """Half the size in bfloat16, and no trace of where the base model lay."""
    (directory / "README.md").unlink(missing_ok=True)
    weights = directory / "adapter_model.safetensors"
    tensors = {name: tensor.to(torch.bfloat16).contiguous()
               for name, tensor in load_file(weights).items()}
    save_file(tensors, weights, metadata={"format": "pt"})
    path = directory / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = NAME
    config["target_modules"] = list(TARGET_MODULES)
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
