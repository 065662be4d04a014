"""The rooms of csrc/ and the arrows between them (csrc/README.md): would a line know its room?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CSRC = Path(__file__).parent.parent / "csrc"
SUFFIXES = {".h", ".cpp", ".cu", ".cuh", ".inl", ".hpp"}

# What each room may include of the others: common <- kernels <- ops <- lora <- models <- engine <-
# bindings, io <- lora and models, metrics on common
BELOW = {
    "common": set[str](),
    "io": {"common"},
    "kernels": {"common"},
    "ops": {"common", "kernels"},
    "lora": {"common", "io", "ops"},
    "models": {"common", "io", "ops", "lora"},
    "engine": {"common", "io", "ops", "lora", "models"},
    "metrics": {"common"},
    "bindings": {"common", "io", "kernels", "ops", "lora", "models", "engine", "metrics"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)
TORCH = re.compile(r"^(torch|ATen|c10|caffe2)/")
CUDA = re.compile(
    r"^(cuda[\w]*\.h|cuda_runtime|cub/|thrust/|c10/cuda/|ATen/cuda/|cooperative_groups|mma)"
)
# instruction sets and devices by name: ops and kernels choose, nobody above asks
DEVICE_WORDS = re.compile(
    r"\bis_cuda\(|\bis_cpu\(|\bWITH_CUDA\b|\bUSE_CUDA\b|__AVX\w*|\bAVX(2|512)?\b|\bkCUDA\b|_mm\d*_"
)


def sources() -> Iterator[tuple[str, Path]]:
    for file in sorted(CSRC.rglob("*")):
        if file.suffix in SUFFIXES:
            yield file.relative_to(CSRC).parts[0], file


def includes(file: Path) -> list[str]:
    return INCLUDE.findall(file.read_text(encoding="utf-8"))


def code_of(file: Path) -> str:
    """The text without comments, which may speak of anything."""
    text = re.sub(r"/\*.*?\*/", "", file.read_text(encoding="utf-8"), flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


def offenders(found: Iterator[tuple[Path, str]]) -> list[str]:
    return [f"{file.relative_to(CSRC)}: {what}" for file, what in found]


def test_every_source_has_a_known_room() -> None:
    rooms = {room for room, _ in sources()}
    assert {"common", "io", "ops", "bindings"} <= rooms <= set(BELOW)


def test_includes_point_downward() -> None:
    assert not offenders(
        (file, include)
        for room, file in sources()
        for include in includes(file)
        if include.split("/")[0] in BELOW and include.split("/")[0] not in BELOW[room] | {room}
    )


def test_includes_name_their_room() -> None:
    """ "io/safetensors.h", never "../io/safetensors.h": a relative path hides which arrow it
    follows."""
    assert not offenders(
        (file, include)
        for _, file in sources()
        for include in includes(file)
        if include.startswith("..")
    )


def test_pybind11_stays_in_bindings() -> None:
    assert not offenders(
        (file, "pybind11")
        for room, file in sources()
        if room != "bindings" and re.search(r"pybind11|torch/extension\.h|Python\.h", code_of(file))
    )
    assert any("pybind11" in code_of(file) for room, file in sources() if room == "bindings")


def test_kernels_see_no_torch() -> None:
    assert not offenders(
        (file, include)
        for room, file in sources()
        if room == "kernels"
        for include in includes(file)
        if TORCH.match(include)
    )


def test_cuda_headers_stay_in_the_cuda_folders() -> None:
    assert not offenders(
        (file, include)
        for _, file in sources()
        for include in includes(file)
        if CUDA.match(include)
        and file.relative_to(CSRC).parts[:2] not in (("kernels", "cuda"), ("ops", "cuda"))
    )


def test_nothing_above_ops_knows_a_device() -> None:
    assert not offenders(
        (file, match.group())
        for room, file in sources()
        if room not in ("kernels", "ops")
        for match in [DEVICE_WORDS.search(code_of(file))]
        if match
    )


def test_headers_open_with_what_they_own() -> None:
    assert not offenders(
        (file, "no comment at the top, or no #pragma once")
        for _, file in sources()
        if file.suffix == ".h"
        and not re.match(r"//.*\n(//.*\n)*\s*#pragma once", file.read_text(encoding="utf-8"))
    )


def test_schemas_stand_in_one_file() -> None:
    defined = {
        str(file.relative_to(CSRC)) for _, file in sources() if "TORCH_LIBRARY(" in code_of(file)
    }
    assert len(defined) <= 1


@pytest.mark.parametrize(
    ("line", "pattern", "hit"),
    [
        ("#include <ATen/core/Tensor.h>", TORCH, True),
        ('#include "ops/linear.h"', TORCH, False),
        ("#include <cuda_runtime.h>", CUDA, True),
        ("#include <cub/cub.cuh>", CUDA, True),
        ('#include "ops/cuda/stream.h"', CUDA, False),
    ],
)
def test_the_patterns_themselves(line: str, pattern: re.Pattern[str], hit: bool) -> None:
    (include,) = INCLUDE.findall(line)
    assert bool(pattern.match(include)) is hit
    assert DEVICE_WORDS.search("if (x.is_cuda()) {") and not DEVICE_WORDS.search("device_type")
