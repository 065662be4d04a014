"""GGUF files as llama.cpp's converter writes them, from tiny models with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import tokenizers
import torch
import transformers
from gguf import GGMLQuantizationType as Kind

CHAT_TEMPLATE = (
    "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant:{% endif %}"
)
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6


def write_gguf(
    file: Path,
    model: transformers.PreTrainedModel,
    tokenizer: tokenizers.Tokenizer | list[tuple[str, float]],
    kind: Kind = Kind.F32,
    metadata: dict[str, str] | None = None,
    extra: dict[str, np.ndarray] | None = None,
) -> Path:
    """Matrices in `kind`, everything else in float32.

    tokenizer: byte-level BPE, or the pieces and scores of a SentencePiece model that begins with
        <unk>, <s>, </s>. metadata, extra: keys and tensors that are added, or take the place of
        what they name.
    """
    config = model.config
    architecture = (metadata or {}).get("general.architecture", config.model_type)
    writer = gguf.GGUFWriter(file, architecture)
    _write_shape(writer, config)
    if isinstance(tokenizer, list):
        _write_pieces(writer, tokenizer)
    else:
        _write_tokenizer(writer, tokenizer, (metadata or {}).get("tokenizer.ggml.model", "gpt2"))
    for key, value in (metadata or {}).items():
        if key not in ("general.architecture", "tokenizer.ggml.model"):
            writer.add_string(key, value)
    for name, tensor in _tensors(model).items():
        if kind is Kind.Q6_K and _is_matrix(tensor):
            writer.add_tensor(name, _random_q6_k(tensor.shape), raw_dtype=kind)
        elif _is_matrix(tensor):
            writer.add_tensor(name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, tensor)
    for name, tensor in (extra or {}).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _write_shape(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_head_count(config.num_attention_heads)
    if config.model_type == "gpt2":
        writer.add_feed_forward_length(4 * config.n_embd)
        writer.add_layer_norm_eps(config.layer_norm_epsilon)
        return
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    if config.model_type == "llama":
        writer.add_rope_dimension_count(config.head_dim)


def _write_tokenizer(writer: gguf.GGUFWriter, tokenizer: tokenizers.Tokenizer, kind: str) -> None:
    state = json.loads(tokenizer.to_str())
    names = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    special = {token["id"] for token in state["added_tokens"]}
    writer.add_tokenizer_model(kind)
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(names)
    writer.add_token_types([_CONTROL if i in special else _NORMAL for i in range(len(names))])
    writer.add_token_merges([" ".join(pair) for pair in state["model"]["merges"]])
    writer.add_pad_token_id(tokenizer.token_to_id("<pad>"))
    writer.add_bos_token_id(tokenizer.token_to_id("<s>"))
    writer.add_eos_token_id(tokenizer.token_to_id("</s>"))
    writer.add_chat_template(CHAT_TEMPLATE)


def _write_pieces(writer: gguf.GGUFWriter, pieces: list[tuple[str, float]]) -> None:
    names, scores = zip(*pieces, strict=True)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(names)
    writer.add_token_scores(scores)
    bytes_ = [_BYTE if name.startswith("<0x") else _NORMAL for name in names[3:]]
    writer.add_token_types([_UNKNOWN, _CONTROL, _CONTROL, *bytes_])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def _tensors(model: transformers.PreTrainedModel) -> dict[str, np.ndarray]:
    """The model's tensors under llama.cpp's names and in its layouts."""
    config = model.config
    kinds = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}
    names = gguf.get_tensor_name_map(kinds[config.model_type], config.num_hidden_layers)
    found = {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        array = tensor.float().numpy()
        if config.model_type == "llama" and ".q_proj." in name:
            array = _interleaved(array, config.num_attention_heads)
        elif config.model_type == "llama" and ".k_proj." in name:
            array = _interleaved(array, config.num_key_value_heads)
        elif config.model_type == "gpt2" and (".c_" in name and name.endswith("weight")):
            array = array.T
        new = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert new is not None, name
        found[new] = np.ascontiguousarray(array)
    return found


def _interleaved(array: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a head from halves, as transformers rotates them, to pairs, as llama.cpp does."""
    halves = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
    return halves.swapaxes(1, 2).reshape(array.shape)


def _is_matrix(tensor: np.ndarray) -> bool:
    return tensor.ndim == 2


def _random_q6_k(shape: tuple[int, ...]) -> np.ndarray:
    """Any bits are a Q6_K block but those of its float16 scale; values of about 1 / sqrt(columns).

    The gguf package reads this type and does not write it.
    """
    rows, columns = shape
    values, size = gguf.GGML_QUANT_SIZES[Kind.Q6_K]
    blocks = np.random.default_rng(rows).integers(
        0, 256, (rows, columns // values, size), dtype=np.uint8
    )
    # a value is scale * int8 * (int6 - 32): about 74 * 18 at random
    scale = np.float16(columns**-0.5 / (74 * 18))
    blocks[..., -2:] = np.frombuffer(scale.tobytes(), dtype=np.uint8)
    return blocks.reshape(rows, -1)


def read_transformers(file: Path) -> tuple[Any, Any]:
    """(model in float32, tokenizer) as transformers itself reads them."""
    where = {"gguf_file": file.name, "local_files_only": True}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        file.parent, dtype=torch.float32, **where
    )
    return model.eval(), transformers.AutoTokenizer.from_pretrained(file.parent, **where)
