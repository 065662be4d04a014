"""Exports: an HF checkpoint or a PEFT adapter in a folder, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contlm._native import Engine
from contlm.loading import hf_objects
from contlm.loading.checkpoint import BaseCheckpoint
from contlm.points.resolve import Floats

# Says where an export stands and that the folder may be replaced by the next one
EXPORT_NOTE = "contlm_export.json"

# Copied beside merged weights where the base's folder has them
_BASE_FILES = (
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)


def save_merged(
    directory: str | os.PathLike[str],
    engine: Engine,
    base: BaseCheckpoint,
    row: Floats,
    dtype: str,
    note: dict[str, Any],
) -> None:
    """An HF checkpoint of the weights at a coefficient row [K]; dtype "" keeps the base's."""
    with export_folder(directory, note) as folder:
        untied = engine.save_merged(folder, row, dtype)
        config = merged_config(base.config_text, dtype, untied)
        (folder / "config.json").write_text(config, encoding="utf-8")
        write_base_files(base, folder)


def save_adapter(
    directory: str | os.PathLike[str],
    engine: Engine,
    base: BaseCheckpoint,
    row: Floats,
    rank: int,
    note: dict[str, Any],
) -> None:
    """One PEFT adapter of the delta at a coefficient row [K]; rank 0 is exact."""
    with export_folder(directory, note) as folder:
        engine.save_adapter(folder, row, rank)
        complete_adapter_config(folder, base.name)


@contextmanager
def export_folder(directory: str | os.PathLike[str], note: dict[str, Any]) -> Iterator[Path]:
    """A new folder to write into, which becomes `directory` when the block ends without an error.

    An empty folder and an earlier export are replaced; FileExistsError for any other thing that is
    there. What fails leaves `directory` as it was.
    """
    target = Path(directory).expanduser().absolute()
    _require_replaceable(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    made = _beside(target)
    made.mkdir()
    try:
        yield made
        (made / EXPORT_NOTE).write_text(json.dumps(note, indent=2) + "\n", encoding="utf-8")
        _swap(made, target)
    except ValueError as error:
        # the native writers name the folder that they write into: the caller knows another
        raise type(error)(str(error).replace(str(made), str(target))) from None
    finally:
        shutil.rmtree(made, ignore_errors=True)


def merged_config(config_text: str, dtype: str, untied: bool) -> str:
    """config.json of merged weights: the base's, with their dtype ("" keeps it) and whether the
    head stays tied."""
    config = json.loads(config_text)
    for key in ("quantization_config", "_name_or_path"):
        config.pop(key, None)
    if dtype:
        config["dtype" if "dtype" in config else "torch_dtype"] = dtype
    if untied:
        config["tie_word_embeddings"] = False
    return json.dumps(config, indent=2, sort_keys=True) + "\n"


def write_base_files(base: BaseCheckpoint, target: Path) -> None:
    """The generation config and the tokenizer that the base came with; a tokenizer given in its
    place wins."""
    origin = base.directory
    if origin is not None:
        for name in _BASE_FILES:
            if (origin / name).is_file():
                shutil.copyfile(origin / name, target / name)
    else:
        generation = getattr(hf_objects.base_model(base.model), "generation_config", None)
        if generation is not None:
            generation.save_pretrained(str(target))
    if base.tokenizer is not None and not (target / "tokenizer_config.json").is_file():
        base.tokenizer.save(target)


def complete_adapter_config(directory: Path, base_name: str) -> None:
    """Names the base and the task in adapter_config.json, for PEFT's Auto classes."""
    file = directory / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base_name
    config["task_type"] = "CAUSAL_LM"
    config["inference_mode"] = True
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _require_replaceable(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise FileExistsError(
            f"{target}: must be a folder to export into, it is a file; choose another name"
        )
    if any(target.iterdir()) and not (target / EXPORT_NOTE).is_file():
        raise FileExistsError(
            f"{target}: must be new, empty or an earlier export (with {EXPORT_NOTE}), it holds "
            "other files; choose another folder or remove it"
        )


def _swap(made: Path, target: Path) -> None:
    if not target.exists():
        made.rename(target)
        return
    old = target.rename(_beside(target))
    try:
        made.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(target: Path) -> Path:
    """A free name in the same folder, so that renaming onto the target stays on one file system."""
    return target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")
