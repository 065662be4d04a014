"""csrc/io: checkpoint folders, whole and sharded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from contlm import CheckpointError
from contlm._native import TensorSource, _testing


def write_shards(folder: Path, weight_map: dict[str, Any]) -> None:
    _testing.write_safetensors(folder / "model-1.safetensors", {"a": torch.ones(2)})
    _testing.write_safetensors(
        folder / "model-2.safetensors", {"b": torch.zeros(3), "c": torch.ones(1)}
    )
    index = {"metadata": {"total_size": 24}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


SHARDS = {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-2.safetensors"}


def test_single_checkpoint(tmp_path: Path) -> None:
    _testing.write_safetensors(tmp_path / "model.safetensors", {"a": torch.ones(2)})
    assert TensorSource.open_checkpoint(tmp_path).names() == ["a"]


def test_sharded_checkpoint(tmp_path: Path) -> None:
    write_shards(tmp_path, SHARDS)
    source = TensorSource.open_checkpoint(tmp_path)
    assert source.names() == ["a", "b", "c"]
    assert source.shape("b") == (3,) and "d" not in source
    assert torch.equal(source.tensor("a"), torch.ones(2))
    with pytest.raises(CheckpointError, match=r'index\.json.*"d"'):
        source.tensor("d")


def test_shard_that_is_missing(tmp_path: Path) -> None:
    write_shards(tmp_path, SHARDS)
    (tmp_path / "model-2.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"model-2\.safetensors.*index\.json.*download"):
        TensorSource.open_checkpoint(tmp_path)


def test_key_that_its_shard_lacks(tmp_path: Path) -> None:
    write_shards(tmp_path, {**SHARDS, "d": "model-1.safetensors"})
    with pytest.raises(CheckpointError, match=r'index\.json.*"d".*model-1\.safetensors'):
        TensorSource.open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "file", ["../model-1.safetensors", "/etc/passwd", "x/../../model-1.safetensors", ""]
)
def test_weight_map_may_not_leave_its_folder(tmp_path: Path, file: str) -> None:
    (tmp_path / "model").mkdir()
    _testing.write_safetensors(tmp_path / "model-1.safetensors", {"a": torch.ones(2)})
    write_shards(tmp_path / "model", {"a": file})
    with pytest.raises(CheckpointError, match="index's own folder"):
        TensorSource.open_checkpoint(tmp_path / "model")


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}', '{"weight_map": {}}'),
        *("{", "[" * 1_000_000, '{"weight_map": ' + "[" * 1_000_000 + "]" * 1_000_000 + "}"),
    ],
)
def test_index_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"index\.json.*weight_map"):
        TensorSource.open_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model.bin.index.json"])
def test_pickled_checkpoint_is_refused_with_the_way_to_convert(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match=rf"{name}.*safe_serialization=True"):
        TensorSource.open_checkpoint(tmp_path)


def test_folder_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        TensorSource.open_checkpoint(tmp_path)
    with pytest.raises(FileNotFoundError, match="must be a folder"):
        TensorSource.open_checkpoint(tmp_path / "nothing")
