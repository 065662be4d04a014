"""Where a model or an adapter lies: a directory, or an id on the HuggingFace hub."""

from __future__ import annotations

import os
import re
from pathlib import Path

# "gpt2" or "owner/name", as the hub spells them; anything else can only be a path
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$")
_WANTED_FILES = ["*.json", "*.safetensors", "tokenizer*", "*.model", "*.txt"]


def resolve_directory(source: str | os.PathLike[str], what: str) -> Path:
    """The local directory of `source`; a hub id is downloaded (or found in the hub's cache) first.

    FileNotFoundError, saying what was looked for, when there is neither.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return path
    text = os.fspath(source)
    if path.exists():
        raise FileNotFoundError(
            f"{what}: must be a directory, {text!r} is a file; give the folder that holds it"
        )
    if not _HUB_ID.match(text):
        raise FileNotFoundError(
            f"{what}: no directory {text!r} (looked in {path.absolute().parent})"
        )
    return _download(text, path, what)


def _download(hub_id: str, path: Path, what: str) -> Path:
    looked = f"{what}: no directory {str(path.absolute())!r}"
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise FileNotFoundError(
            f"{looked}; if {hub_id!r} is meant as a hub id, install huggingface_hub (pip install "
            f"'contlm[hf]')"
        ) from None
    try:
        return Path(snapshot_download(hub_id, allow_patterns=_WANTED_FILES))
    # the client raises its own errors, httpx's and OSError, by version
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        if _is_answer(error):
            raise FileNotFoundError(f"{looked}, and the hub has no {hub_id!r}: {reason}") from error
        raise FileNotFoundError(
            f"{looked}, and could not reach the hub for {hub_id!r}: {reason}; give a directory, or "
            "try again where there is a network"
        ) from error


def _is_answer(error: Exception) -> bool:
    """Whether the hub itself said no: a response came back, with a status."""
    return getattr(getattr(error, "response", None), "status_code", None) is not None
