"""GGUF files as base models: what transformers makes of the same file, or a refusal that names what
is not honoured."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from conftest import byte_level_tokenizer, load_transformers
from contlm import CheckpointError, Interpolator
from gguf import GGMLQuantizationType as Kind
from gguf_files import read_transformers, write_gguf
from tiny_models import FAMILIES, make_adapter, make_model

TOKENIZER = byte_level_tokenizer()
TEXT = "One morning, a naïve café owner met 42 foxes — “How do you do?”\n\n  they said."
IDS = torch.tensor([[5, 17, 3, 99, 42, 7, 150, 11, 64, 8], [9, 1, 31, 200, 77, 12, 4, 88, 301, 6]])


def tiny(family: str, **options: object) -> transformers.PreTrainedModel:
    config = FAMILIES[family]()
    config.update({"vocab_size": TOKENIZER.get_vocab_size(), **options})
    return make_model(config, seed=len(family))


# what the loader of transformers takes for granted, it does not read: Qwen3's head_dim, GPT-2's
# number of positions
MODELS = {
    "llama": lambda: tiny("llama", intermediate_size=64),
    "llama-tied": lambda: tiny("llama-tied", intermediate_size=64),
    "qwen2": lambda: tiny("qwen2", intermediate_size=64),
    "qwen3": lambda: tiny("qwen3", intermediate_size=64, head_dim=128),
    "gpt2": lambda: tiny("gpt2", n_positions=1024),
}
WIDE = {"hidden_size": 256, "intermediate_size": 256, "head_dim": 64}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(
        tmp_path_factory.mktemp("gguf") / "tiny.gguf", MODELS["llama"](), TOKENIZER, Kind.Q8_0
    )


@pytest.fixture(scope="module")
def lm(llama: Path) -> Interpolator:
    return Interpolator.from_pretrained(llama, {})


def require_equal(file: Path) -> Interpolator:
    """contlm's logits and tokens of the file are those of transformers."""
    model, tokenizer = read_transformers(file)
    lm = Interpolator.from_pretrained(file, {})
    with torch.no_grad():
        expected = model(IDS).logits
    torch.testing.assert_close(lm.logits(IDS), expected, atol=2e-4, rtol=1e-4)
    assert expected.std() > 0.1
    greedy = model.generate(
        IDS[:1], do_sample=False, max_new_tokens=20, eos_token_id=None, pad_token_id=0
    )
    out = lm.generate([IDS[0].tolist()], do_sample=False, max_new_tokens=20, eos_token_id=[])
    assert out.token_ids[0] == greedy[0, IDS.shape[1] :].tolist()
    assert lm.tokenizer.encode(TEXT) == tokenizer(TEXT)["input_ids"]
    return lm


@pytest.mark.parametrize("family", MODELS)
def test_families(family: str, tmp_path: Path) -> None:
    """In float32 nothing is lost, so it is the very model that was written, too."""
    model = MODELS[family]()
    lm = require_equal(write_gguf(tmp_path / "model.gguf", model, TOKENIZER))
    with torch.no_grad():
        torch.testing.assert_close(lm.logits(IDS), model(IDS).logits, atol=2e-4, rtol=1e-4)
    assert lm.tokenizer.encode(TEXT) == TOKENIZER.encode(TEXT).ids
    assert lm.tokenizer.decode(TOKENIZER.encode(TEXT).ids) == TEXT


@pytest.mark.parametrize("kind", [Kind.F16, Kind.BF16, Kind.Q8_0, Kind.Q4_0, Kind.Q4_1, Kind.Q6_K])
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_tensor_types(family: str, kind: Kind, tmp_path: Path) -> None:
    wide = {"n_embd": 256} if family == "gpt2" else WIDE
    model = tiny(family, n_positions=1024, **wide) if kind is Kind.Q6_K else MODELS[family]()
    require_equal(write_gguf(tmp_path / "model.gguf", model, TOKENIZER, kind))


def test_gpt2_with_a_head_of_its_own(tmp_path: Path) -> None:
    """Older converters write GPT-2's head beside the embedding that it is."""
    model = MODELS["gpt2"]()
    head = {"output.weight": model.state_dict()["lm_head.weight"].numpy()}
    require_equal(write_gguf(tmp_path / "model.gguf", model, TOKENIZER, extra=head))


def test_sentencepiece(tmp_path: Path) -> None:
    """A vocabulary of pieces with scores, with a byte for what it lacks; a text begins with <s>."""
    singles = [("▁", -90.0), *((letter, -91.0 - i) for i, letter in enumerate("abehilnot"))]
    words = [("▁t", -1.0), ("he", -2.0), ("▁the", -3.0), ("in", -4.0)]
    special = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)]
    pieces = [*special, *((f"<0x{byte:02X}>", 0.0) for byte in range(256)), *words, *singles]
    model = tiny("llama", intermediate_size=64, vocab_size=len(pieces))
    file = write_gguf(tmp_path / "model.gguf", model, pieces)
    lm, (_, tokenizer) = Interpolator.from_pretrained(file, {}), read_transformers(file)
    assert lm.tokenizer is not None
    for text in ("the tin in the hall", "then  é", TEXT):
        ids = lm.tokenizer.encode(text)
        assert ids == tokenizer(text)["input_ids"]
        assert ids[0] == 1 and lm.tokenizer.decode(ids) == text
    assert [pieces[i][0] for i in lm.tokenizer.encode("the tin")] == ["<s>", "▁the", "▁t", "in"]


def test_chat_template(llama: Path, lm: Interpolator) -> None:
    chat = [{"role": "user", "content": "Hi"}]
    _, tokenizer = read_transformers(llama)
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    assert text == "<s>user: Hi</s><s>assistant:"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    options = {"do_sample": False, "max_new_tokens": 5, "eos_token_id": []}
    assert lm.generate([chat], **options).token_ids == lm.generate([ids], **options).token_ids
    assert lm.tokenizer is not None and lm.tokenizer.encode_chat(chat) == ids


def test_end_of_text_is_the_file_s(llama: Path, lm: Interpolator) -> None:
    model, _ = read_transformers(llama)
    assert model.generation_config.eos_token_id == TOKENIZER.token_to_id("</s>")
    prompts = [row.tolist() for row in IDS] * 40
    out = lm.generate(prompts, max_new_tokens=60, seed=1)
    ended = [ids for ids in out.token_ids if len(ids) < 60]
    assert ended and all(ids[-1] == model.generation_config.eos_token_id for ids in ended)


def test_anchors_on_a_gguf_base(llama: Path, lm: Interpolator, tmp_path: Path) -> None:
    base = tmp_path / "base"
    lm.save_merged(base, coeffs=[])
    high = make_adapter(base, tmp_path / "high", 1, r=4, target_modules="all-linear")
    low = make_adapter(base, tmp_path / "low", 2, r=2, target_modules=["q_proj", "v_proj"])
    found = Interpolator.from_pretrained(llama, {"tone": (low, high)}).logits(IDS, alpha=0.7)
    expected = Interpolator.from_pretrained(base, {"tone": (low, high)}).logits(IDS, alpha=0.7)
    torch.testing.assert_close(found, expected)
    assert (found - lm.logits(IDS)).abs().max() > 0.1


@pytest.mark.parametrize("family", MODELS)
def test_save_merged(family: str, tmp_path: Path) -> None:
    """The folder is a plain checkpoint, and the tokenizer is whole: chat template included."""
    file = write_gguf(tmp_path / "model.gguf", MODELS[family](), TOKENIZER, Kind.Q8_0)
    lm, out = Interpolator.from_pretrained(file, {}), tmp_path / "out"
    lm.save_merged(out, coeffs=[])
    with torch.no_grad():
        logits = load_transformers(out)(IDS).logits
    torch.testing.assert_close(lm.logits(IDS), logits, atol=2e-4, rtol=1e-4)
    config = json.loads((out / "config.json").read_text())
    assert not {"quantization_config", "_name_or_path"} & config.keys()
    assert config["dtype"] == "float32" and str(tmp_path) not in json.dumps(config)
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    assert tokenizer(TEXT)["input_ids"] == TOKENIZER.encode(TEXT).ids
    again = Interpolator.from_pretrained(out, {})
    assert again.tokenizer is not None and lm.tokenizer is not None
    chat = [{"role": "user", "content": "Hi"}]
    assert again.tokenizer.encode_chat(chat) == lm.tokenizer.encode_chat(chat)
    assert (out / "generation_config.json").is_file()


def test_the_spec_opens_it_again(
    llama: Path, lm: Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(llama.parent)
    here = Interpolator.from_pretrained(llama.name, {})
    spec = here.spec.portable(threads=1)
    assert spec.model == str(llama)
    monkeypatch.chdir("/")
    torch.testing.assert_close(Interpolator.from_spec(spec).logits(IDS), lm.logits(IDS))


def test_fingerprint_is_that_of_the_file(llama: Path, lm: Interpolator, tmp_path: Path) -> None:
    digest = lm.fingerprint["base"]["sha256"]
    # a name that a pattern would not match
    other = shutil.copy(llama, tmp_path / "a[1].gguf")
    found = Interpolator.from_pretrained(other, {}).fingerprint["base"]
    assert found["from"] == str(other) and found["sha256"] != digest
    same = tmp_path / "same"
    same.mkdir()
    shutil.copy(llama, same / llama.name)
    copy = Interpolator.from_pretrained(same / llama.name, {})
    assert copy.fingerprint["base"]["sha256"] == digest
    changed = write_gguf(tmp_path / llama.name, MODELS["llama-tied"](), TOKENIZER)
    assert Interpolator.from_pretrained(changed, {}).fingerprint["base"]["sha256"] != digest


REFUSED = {
    "architecture": (
        {"metadata": {"general.architecture": "gemma2"}},
        "general.architecture must be one of llama, qwen2, qwen3, gpt2, got 'gemma2'",
    ),
    "tokenizer": (
        {"metadata": {"tokenizer.ggml.model": "rwkv"}},
        "tokenizer.ggml.model must be one of gpt2, llama, got 'rwkv'",
    ),
    "tensor type": (
        {"extra": {"blk.0.odd.weight": np.zeros((2, 32), np.float64)}},
        "has tensors of type F64, which the gguf package does not dequantise",
    ),
    "scaled positions": (
        {"extra": {"rope_freqs.weight": np.ones(4, np.float32)}},
        "has scaled rotary positions",
    ),
    "declared scaling": (
        {"metadata": {"llama.rope.scaling.type": "yarn"}},
        "has scaled rotary positions",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_honoured_is_named(what: str, tmp_path: Path) -> None:
    options, message = REFUSED[what]
    file = write_gguf(tmp_path / "model.gguf", MODELS["llama"](), TOKENIZER, **options)
    with pytest.raises(CheckpointError, match=r"model\.gguf: ") as raised:
        Interpolator.from_pretrained(file, {})
    assert message in str(raised.value)


def test_a_missing_weight_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gguf_files

    tensors = gguf_files._tensors
    name = "blk.1.ffn_up.weight"
    monkeypatch.setattr(
        gguf_files, "_tensors", lambda m: {k: t for k, t in tensors(m).items() if k != name}
    )
    file = write_gguf(tmp_path / "model.gguf", MODELS["llama"](), TOKENIZER)
    with pytest.raises(CheckpointError, match=r"lacks model\.layers\.1\.mlp\.up_proj\.weight"):
        Interpolator.from_pretrained(file, {})


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.5, 0.999])
def test_a_truncated_file(share: float, llama: Path, tmp_path: Path) -> None:
    content = llama.read_bytes()
    file = tmp_path / "short.gguf"
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CheckpointError, match=r"short\.gguf: must be a GGUF file"):
        Interpolator.from_pretrained(file, {})


def test_not_a_gguf(tmp_path: Path) -> None:
    file = tmp_path / "letter.gguf"
    file.write_text("Dear reader, " * 100)
    with pytest.raises(CheckpointError, match=r"letter\.gguf: must be a GGUF file"):
        Interpolator.from_pretrained(file, {})
    with pytest.raises(FileNotFoundError, match=r"no file .*absent\.gguf"):
        Interpolator.from_pretrained(tmp_path / "absent.gguf", {})


@pytest.mark.parametrize("package", ["gguf", "transformers", "accelerate"])
def test_a_missing_package(package: str, llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError) as raised:
        Interpolator.from_pretrained(llama, {})
    said = f"needs {package}, which is not installed; pip install 'contlm[gguf]'"
    assert said in str(raised.value) and raised.value.name == package


def test_the_command_says_what_to_install(
    llama: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from contlm.cli import main

    monkeypatch.setitem(sys.modules, "gguf", None)
    assert main(["generate", "--model", str(llama), "x"]) == 2
    assert "pip install 'contlm[gguf]'" in capsys.readouterr().err
