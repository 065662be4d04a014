"""csrc/io: config.json, with errors that name the file and the field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from contlm import CheckpointError
from contlm._native import _testing

FIELDS: dict[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 16,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000,
    "tie_word_embeddings": True,
    "nothing": None,
    "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "inner": {"x": "y"}},
    "factors": [1, 2.5],
    "huge": 2**63,
}


def config(**fields: Any) -> _testing.HfConfig:
    return _testing.HfConfig(json.dumps({**FIELDS, **fields}), "dir/config.json")


def test_typed_access() -> None:
    c = config()
    assert c.where == "dir/config.json"
    assert c.model_type() == "llama" and c.architectures() == ["LlamaForCausalLM"]
    assert c.require_int("hidden_size") == 16 and c.get_int("none", 7) == 7
    assert c.get_float("rms_norm_eps", 0.0) == 1e-6 and c.get_float("rope_theta", 0.0) == 1e4
    assert c.get_bool("tie_word_embeddings", False) and not c.get_bool("none", False)
    assert c.get_string("model_type", "") == "llama" and c.get_string("none", "x") == "x"
    assert c.get_floats("factors") == [1.0, 2.5] and c.get_floats("none") == []
    assert c.get_strings("none") == [] and c.get_object("none") is None


def test_null_counts_as_missing() -> None:
    c = config()
    assert not c.has("nothing") and not c.has("none") and c.has("hidden_size")
    assert c.get_int("nothing", 3) == 3 and c.get_object("nothing") is None
    with pytest.raises(CheckpointError, match=r'dir/config\.json: "nothing" must be there'):
        c.require_int("nothing")
    with pytest.raises(CheckpointError, match="model_type"):
        config(model_type=None).model_type()


def test_objects_say_where_they_stand() -> None:
    scaling = config().get_object("rope_scaling")
    assert scaling is not None and scaling.get_float("factor", 0.0) == 8.0
    assert scaling.where == "dir/config.json: rope_scaling"
    inner = scaling.get_object("inner")
    assert inner is not None
    with pytest.raises(CheckpointError, match=r'config\.json: rope_scaling: inner: "x".*string'):
        inner.require_int("x")


@pytest.mark.parametrize(
    ("access", "key", "wanted"),
    [
        ("require_int", "rms_norm_eps", "integer"),
        ("require_int", "model_type", "integer"),
        ("require_int", "huge", "64 bits"),
        ("require_int", "tie_word_embeddings", "integer"),
        ("get_strings", "model_type", "array of strings"),
        ("get_strings", "factors", "array of strings"),
        ("get_floats", "architectures", "array of numbers"),
        ("get_floats", "hidden_size", "array of numbers"),
        ("get_object", "factors", "object"),
    ],
)
def test_another_type_names_both(access: str, key: str, wanted: str) -> None:
    with pytest.raises(CheckpointError, match=rf'config\.json: "{key}" must be.*{wanted}.*got'):
        getattr(config(), access)(key)


@pytest.mark.parametrize(
    ("access", "key", "fallback"),
    [
        ("get_int", "rms_norm_eps", 1),
        ("get_float", "model_type", 1.0),
        ("get_bool", "hidden_size", True),
        ("get_string", "hidden_size", ""),
    ],
)
def test_a_fallback_does_not_hide_another_type(access: str, key: str, fallback: Any) -> None:
    with pytest.raises(CheckpointError, match=f'"{key}"'):
        getattr(config(), access)(key, fallback)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "null"])
def test_text_that_is_no_object(text: str) -> None:
    with pytest.raises(CheckpointError, match=r"x/config\.json: must be a JSON object"):
        _testing.HfConfig(text, "x/config.json")


@pytest.mark.parametrize("levels", [128, 1_000_000])
def test_text_that_nests_deep(levels: int) -> None:
    text = '{"hidden_size": %s}' % ("[" * (levels - 1) + "]" * (levels - 1))
    with pytest.raises(CheckpointError, match=r"dir/config\.json.*levels deep"):
        _testing.HfConfig(text, "dir/config.json")
    deep = _testing.HfConfig('{"hidden_size": %s}' % ("[" * 126 + "]" * 126), "x")
    with pytest.raises(CheckpointError, match="integer"):
        deep.require_int("hidden_size")
