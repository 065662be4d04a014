"""Models and adapters given as transformers and peft objects."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import contlm
import numpy as np
import pytest
import torch
import transformers
from conftest import Case, byte_level_tokenizer
from contlm.loading import hf_objects
from peft import PeftModel
from tiny_models import FAMILIES, VOCAB, attach, make_model
from tolerances import assert_logits_close

IDS = np.random.default_rng(0).integers(0, VOCAB, (2, 11))


def load_base(case: Case, dtype: torch.dtype = torch.float32) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(case.base, dtype=dtype)


def peft_model_with(case: Case, *names: str) -> Any:
    """One PeftModel that carries several of the case's anchors under plain names."""
    model: Any = load_base(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            plain = name.replace(".", "_")
            if isinstance(model, PeftModel):
                model.load_adapter(str(case.anchors[name]), adapter_name=plain)
            else:
                model = PeftModel.from_pretrained(
                    model, str(case.anchors[name]), adapter_name=plain
                )
    return model.eval()


@pytest.mark.parametrize("family", ["llama", "llama-tied", "llama-rope-llama3", "gpt2", "qwen3"])
def test_a_transformers_model_is_its_checkpoint(case: Callable[..., Case], family: str) -> None:
    tiny = case(family)
    lm = contlm.Interpolator.from_pretrained(load_base(tiny), tiny.attributes)
    point = contlm.Point({"tone": 0.3, "wit": 1.2})
    assert torch.equal(lm.logits(IDS, point=point), tiny.lm().logits(IDS, point=point))
    assert lm.generate(IDS.tolist(), point=point, seed=0).token_ids == (
        tiny.lm().generate(IDS.tolist(), point=point, seed=0).token_ids
    )


@pytest.mark.parametrize("family", ["llama", "llama-tied", "gpt2"])
def test_adapters_by_name_in_a_peft_model(case: Callable[..., Case], family: str) -> None:
    tiny = case(family)
    model = peft_model_with(tiny, "tone.low", "tone.high", "wit.low", "wit.high")
    # one from the model, one from its directory: they mix
    attributes = {"tone": ("tone_low", "tone_high"), "wit": ("wit_low", tiny.anchors["wit.high"])}
    lm = contlm.Interpolator.from_pretrained(model, attributes)
    point = contlm.Point({"tone": -0.3, "wit": 0.7})
    assert_logits_close(lm.logits(IDS, point=point), tiny.lm().logits(IDS, point=point))
    all_named = {"tone": ("tone_low", "tone_high"), "wit": ("wit_low", "wit_high")}
    lm = contlm.Interpolator.from_pretrained(model, all_named)
    assert_logits_close(lm.logits(IDS, point=point), tiny.lm().logits(IDS, point=point))
    # the wrapped model is left as it was
    with torch.no_grad():
        model.base_model.set_adapter(["tone_low"])
        after = model(input_ids=torch.tensor(IDS)).logits
    one = tiny.lm().logits(IDS, coeffs=[1, 0, 0, 0])
    assert_logits_close(after, one)


def test_a_peft_model_as_an_anchor(llama: Case) -> None:
    low, high = (peft_model_with(llama, f"tone.{end}") for end in ("low", "high"))
    lm = contlm.Interpolator.from_pretrained(load_base(llama), {"tone": (low, high)})
    expected = llama.lm().logits(IDS, alpha={"tone": 0.4})
    assert_logits_close(lm.logits(IDS, alpha=0.4), expected)
    both = peft_model_with(llama, "tone.low", "tone.high")
    both.base_model.set_adapter("tone_high")
    lm = contlm.Interpolator.from_pretrained(load_base(llama), {"tone": (low, both)})
    assert_logits_close(lm.logits(IDS, alpha=0.4), expected)
    both.base_model.set_adapter(["tone_low", "tone_high"])
    with pytest.raises(contlm.AdapterError, match="must have one active adapter, it has 2"):
        contlm.Interpolator.from_pretrained(load_base(llama), {"tone": (low, both)})


def test_a_model_with_injected_adapters(llama: Case) -> None:
    """transformers' own add_adapter leaves no PeftModel, but the same layers."""
    model = load_base(llama)
    for end in ("low", "high"):
        model.load_adapter(str(llama.anchors[f"tone.{end}"]), adapter_name=end)
    lm = contlm.Interpolator.from_pretrained(model, {"tone": ("low", "high")})
    assert_logits_close(lm.logits(IDS, alpha=1.3), llama.lm().logits(IDS, alpha={"tone": 1.3}))


def test_tensors_are_referred_to_not_copied(llama: Case) -> None:
    model = load_base(llama)
    source = hf_objects.weights(model)
    for name, tensor in model.state_dict().items():
        assert source.tensor(name).data_ptr() == tensor.data_ptr()


def test_merged_models_are_refused(llama: Case) -> None:
    model = peft_model_with(llama, "tone.low")
    model.merge_adapter()
    with pytest.raises(contlm.CheckpointError, match=r"tone_low.*unmerge_adapter"):
        contlm.Interpolator.from_pretrained(model, {"tone": ("tone_low", "tone_low")})
    model.unmerge_adapter()
    contlm.Interpolator.from_pretrained(model, {"tone": ("tone_low", "tone_low")})


def test_unusable_tensors_are_refused_by_name(llama: Case) -> None:
    load = contlm.Interpolator.from_pretrained
    model = load_base(llama)
    weight = model.model.layers[0].mlp.up_proj.weight
    strided = torch.empty(weight.shape[1], weight.shape[0]).T
    model.model.layers[0].mlp.up_proj.weight = torch.nn.Parameter(strided)
    with pytest.raises(
        contlm.CheckpointError, match=r"layers\.0\.mlp\.up_proj\.weight.*contiguous"
    ):
        load(model, {})
    with torch.device("meta"):
        empty = transformers.LlamaForCausalLM(FAMILIES["llama"]())
    with pytest.raises(contlm.CheckpointError, match="meta device"):
        load(empty, {})
    model = load_base(llama)
    model.lm_head.weight = torch.nn.Parameter(torch.zeros(VOCAB, 32, dtype=torch.uint8), False)
    with pytest.raises(contlm.CheckpointError, match=r"lm_head\.weight.*uint8"):
        load(model, {})


def test_adapters_that_cannot_be_used_are_refused(llama: Case) -> None:
    dora = attach(make_model(FAMILIES["llama"]()), 0, r=4, target_modules=["q_proj"], use_dora=True)
    with pytest.raises(contlm.AdapterError, match="dora"):
        contlm.Interpolator.from_pretrained(dora, {"a": ("default", "default")})
    with pytest.raises(FileNotFoundError, match="adapters in the model: default"):
        contlm.Interpolator.from_pretrained(dora, {"a": ("other", "default")})
    with pytest.raises(contlm.AdapterError, match="a full model"):
        contlm.Interpolator.from_pretrained(llama.base, {"a": (load_base(llama),) * 2})


def test_bfloat16_and_float16_models_in_memory(llama: Case) -> None:
    for dtype in (torch.bfloat16, torch.float16):
        lm = contlm.Interpolator.from_pretrained(load_base(llama, dtype), {}, dtype="float32")
        with torch.no_grad():
            widened = load_base(llama, dtype).float()(torch.tensor(IDS)).logits
        assert_logits_close(lm.logits(IDS), widened)
    assert contlm.Interpolator.from_pretrained(load_base(llama, torch.bfloat16), {}).dtype == (
        "bfloat16"
    )


def test_exports_of_a_model_in_memory(llama: Case, tmp_path: Path) -> None:
    model = load_base(llama)
    model.generation_config.eos_token_id = 17
    lm = contlm.Interpolator.from_pretrained(
        model, llama.attributes, tokenizer=byte_level_tokenizer()
    )
    lm.save_merged(tmp_path / "merged", alpha={"wit": 0.4})
    again = contlm.Interpolator.from_pretrained(tmp_path / "merged", {})
    assert_logits_close(again.logits(IDS), lm.logits(IDS, alpha={"wit": 0.4}))
    assert again.tokenizer.encode("fox") == byte_level_tokenizer().encode("fox").ids
    loaded = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "merged")
    assert loaded.generation_config.eos_token_id == 17


def test_enums_and_sets_become_json() -> None:
    from peft import LoraConfig

    config = LoraConfig(target_modules=["b", "a"], rank_pattern={"a": 2}, task_type="CAUSAL_LM")
    plain = hf_objects.json_value(config.to_dict())
    assert plain["target_modules"] == ["a", "b"] and plain["peft_type"] == "LORA"
    assert plain["rank_pattern"] == {"a": 2} and plain["task_type"] == "CAUSAL_LM"
