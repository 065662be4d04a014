"""csrc/io: the safetensors reader and writer, and what happens when files fail."""

from __future__ import annotations

import json
import os
import random
import resource
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
from contlm import CheckpointError
from contlm._native import TensorSource, _testing
from fuzz import run_fuzz
from hypothesis import HealthCheck, given, settings

DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E8M0": torch.float8_e8m0fnu,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "I16": torch.int16,
    "U16": torch.uint16,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I32": torch.int32,
    "U32": torch.uint32,
    "F32": torch.float32,
    "C64": torch.complex64,
    "F64": torch.float64,
    "I64": torch.int64,
    "U64": torch.uint64,
}
BITS_WITHOUT_TORCH = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}


def sample(dtype: torch.dtype, shape: tuple[int, ...] = (3, 4)) -> torch.Tensor:
    """Every byte pattern is a value, except for bool."""
    count = int(np.prod(shape)) * dtype.itemsize
    raw = torch.arange(7, 7 + count, dtype=torch.int64).to(torch.uint8)
    if dtype == torch.bool:
        raw = raw % 2
    return raw.view(dtype).reshape(shape) if count else torch.empty(shape, dtype=dtype)


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.numel() == 0:
        return True
    ours, theirs = (t.contiguous().reshape(-1).view(torch.uint8) for t in (a, b))
    return torch.equal(ours, theirs)


def encode(header: Any, data: bytes = b"") -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def accepted_by_package(blob: bytes) -> bool:
    try:
        safetensors.deserialize(blob)
    except Exception:
        return False
    return True


def accepted(path: Path, blob: bytes) -> bool:
    path.write_bytes(blob)
    try:
        TensorSource.open_safetensors(path)
    except CheckpointError as error:
        assert str(path) in str(error)
        return False
    return True


# Round trips


@pytest.mark.parametrize("name", DTYPES)
def test_reads_what_the_package_writes(tmp_path: Path, name: str) -> None:
    tensors = {
        "matrix": sample(DTYPES[name]),
        "scalar": sample(DTYPES[name], ()),
        "none": sample(DTYPES[name], (2, 0, 3)),
    }
    safetensors.torch.save_file(tensors, tmp_path / "x.safetensors")
    source = TensorSource.open_safetensors(tmp_path / "x.safetensors")
    assert source.names() == sorted(tensors)
    for key, tensor in tensors.items():
        assert key in source
        assert source.shape(key) == tuple(tensor.shape)
        assert same(source.tensor(key), tensor)


@pytest.mark.parametrize("name", DTYPES)
def test_package_reads_what_is_written(tmp_path: Path, name: str) -> None:
    tensors = {
        "matrix": sample(DTYPES[name]).T,
        "scalar": sample(DTYPES[name], ()),
        "none": sample(DTYPES[name], (2, 0, 3)),
    }
    _testing.write_safetensors(tmp_path / "x.safetensors", tensors, {"made by": 'a "test"\n'})
    with safetensors.safe_open(tmp_path / "x.safetensors", "pt") as file:
        assert file.metadata() == {"made by": 'a "test"\n'}
        assert sorted(file.keys()) == sorted(tensors)
        for key, tensor in tensors.items():
            assert same(file.get_tensor(key), tensor)


def test_bytes_equal_the_packages(tmp_path: Path) -> None:
    odd = "\u00e9\u4e16\x01"
    tensors = {f"{name}.{i}{odd}": sample(DTYPES[name]) for i in (2, 1) for name in DTYPES}
    _testing.write_safetensors(tmp_path / "ours", tensors, {"format": "pt"})
    safetensors.torch.save_file(tensors, tmp_path / "theirs", {"format": "pt"})
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=20).filter(lambda name: name != "__metadata__"),
        hnp.arrays(
            st.sampled_from([np.float32, np.float64, np.int8, np.int32, np.bool_]),
            hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
        ),
        max_size=6,
    ),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
)
def test_round_trip(
    tmp_path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str]
) -> None:
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    path = tmp_path / "x.safetensors"
    _testing.write_safetensors(path, tensors, metadata)
    source = TensorSource.open_safetensors(path)
    theirs = safetensors.torch.load_file(path)
    assert source.names() == sorted(tensors, key=lambda name: name.encode())
    assert len(theirs) == len(tensors)
    for name, tensor in tensors.items():
        assert same(source.tensor(name), tensor) and same(theirs[name], tensor)


def test_reading_is_a_view_that_outlives_the_source(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    _testing.write_safetensors(path, {"a": torch.arange(4.0)})
    before = path.read_bytes()
    source = TensorSource.open_safetensors(path)
    first, second = source.tensor("a"), source.tensor("a")
    assert first.data_ptr() == second.data_ptr()
    del source, second
    first += 1  # copy on write: this process's page, not the file
    assert first.tolist() == [1, 2, 3, 4]
    assert path.read_bytes() == before


def test_misaligned_tensors_are_read(tmp_path: Path) -> None:
    values = torch.arange(3.0)
    header = {
        "byte": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "f32": {"dtype": "F32", "shape": [3], "data_offsets": [1, 13]},
    }
    (tmp_path / "x").write_bytes(encode(header, b"\x05" + values.numpy().tobytes()))
    source = TensorSource.open_safetensors(tmp_path / "x")
    assert torch.equal(source.tensor("f32"), values)
    assert source.tensor("f32").data_ptr() % 4 == 0
    assert source.tensor("byte").tolist() == [5]


@pytest.mark.parametrize("name", BITS_WITHOUT_TORCH)
def test_dtypes_that_torch_lacks_are_refused_when_read(tmp_path: Path, name: str) -> None:
    size = BITS_WITHOUT_TORCH[name]
    header = {"a": {"dtype": name, "shape": [8], "data_offsets": [0, size]}}
    assert accepted(tmp_path / "x", encode(header, bytes(size)))
    source = TensorSource.open_safetensors(tmp_path / "x")
    assert source.names() == ["a"]
    with pytest.raises(CheckpointError, match=f'"a".*{name}.*convert'):
        source.tensor("a")


def test_dimensions_that_torch_lacks_are_refused_when_read(tmp_path: Path) -> None:
    header = {"a": {"dtype": "F32", "shape": [2**63, 0], "data_offsets": [0, 0]}}
    assert accepted(tmp_path / "x", encode(header))
    with pytest.raises(CheckpointError, match=r'"a".*2\^63'):
        TensorSource.open_safetensors(tmp_path / "x").shape("a")


def test_missing_tensor_names_file_and_tensor(tmp_path: Path) -> None:
    _testing.write_safetensors(tmp_path / "x", {"a": torch.ones(1)})
    for source in (
        TensorSource.open_safetensors(tmp_path / "x"),
        TensorSource.from_tensors({"a": torch.ones(1)}, str(tmp_path / "x")),
    ):
        assert "b" not in source
        with pytest.raises(CheckpointError, match=f'{tmp_path}/x.*"b"'):
            source.tensor("b")
        with pytest.raises(CheckpointError, match='"b"'):
            source.shape("b")


def test_tensors_in_memory_are_not_copied() -> None:
    tensor = torch.ones(2, 3)
    source = TensorSource.from_tensors({"b": tensor, "a": tensor}, "here")
    assert source.names() == ["a", "b"] and source.shape("b") == (2, 3)
    tensor.zero_()
    assert torch.equal(source.tensor("b"), torch.zeros(2, 3))


# The verdict

TENSOR = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
FOUR = b"\0" * 4
EDGES: list[tuple[str, bytes]] = [
    (f'{{"a":{TENSOR}}}', FOUR),
    (f' \n\t\r{{"a":{TENSOR}}} \n\t\r', FOUR),
    (f'{{"a":{TENSOR}}}\0\0', FOUR),
    (f'{{"a":{TENSOR}}} x', FOUR),
    (f'{{"a":{TENSOR}}}/**/', FOUR),
    (f'\ufeff{{"a":{TENSOR}}}', FOUR),
    (f'{{"a":{TENSOR},}}', FOUR),
    (f'{{"a":{TENSOR},"a":{TENSOR}}}', FOUR),
    (f'{{"a":{{"dtype":"F64","shape":[1],"data_offsets":[0,8]}},"a":{TENSOR}}}', FOUR),
    (f'{{"a":{TENSOR},"a":{{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}}}', FOUR),
    (f'{{"a":3,"a":{TENSOR}}}', FOUR),
    (f'{{"__metadata__":{{}},"__metadata__":{{}},"a":{TENSOR}}}', FOUR),
    (f'{{"__metadata__":null,"__metadata__":null,"a":{TENSOR}}}', FOUR),
    (f'{{"__metadata__":{{"k":"v","k":"w"}},"a":{TENSOR}}}', FOUR),
    (f'{{"__metadata__":null,"a":{TENSOR}}}', FOUR),
    (f'{{"__metadata__":{{"k":null}},"a":{TENSOR}}}', FOUR),
    (f'{{"__metadata__":{{"k":1}},"a":{TENSOR}}}', FOUR),
    (f'{{"__metadata__":[],"a":{TENSOR}}}', FOUR),
    ('{"a":["F32",[1],[0,4]]}', FOUR),
    ('{"a":["F32",[1],[0,4],0]}', FOUR),
    ('{"a":["F32",[1]]}', FOUR),
    ('{"a":{"dtype":{"F32":null},"shape":[1],"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":{"F32":{}},"shape":[1],"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":{"F32":null,"F32":null},"shape":[1],"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":17,"shape":[1],"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":{"y":[1,{}]},"x":1.5}}', FOUR),
    ('{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[1]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":{"0":1},"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[1e0],"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[-0,4]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[01],"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[9223372036854775808,0],"data_offsets":[0,0]}}', b""),
    ('{"a":{"dtype":"F32","shape":[18446744073709551615,0],"data_offsets":[0,0]}}', b""),
    ('{"a":{"dtype":"F32","shape":[18446744073709551616,0],"data_offsets":[0,0]}}', b""),
    ('{"a":{"dtype":"F32","shape":[9223372036854775808,4,0],"data_offsets":[0,0]}}', b""),
    ('{"a":{"dtype":"F32","shape":[0,9223372036854775808,4],"data_offsets":[0,0]}}', b""),
    ('{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}', b""),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,18446744073709551615]}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[0],"data_offsets":[2,2]}}', b""),
    (f'{{"a":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}},"b":{TENSOR}}}', FOUR),
    (f'{{"b":{TENSOR},"a":{{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}}}', FOUR),
    (f'{{"b":{TENSOR},"a":{TENSOR}}}', FOUR),
    (f'{{"b":{TENSOR},"a":{{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}}}', FOUR),
    (f'{{"b":{TENSOR},"a":{{"dtype":"U8","shape":[1],"data_offsets":[5,6]}}}}', FOUR + b"12"),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}', FOUR),
    ("{}", b""),
    ("{}", b"1"),
    ("", b""),
    ("[]", b""),
    ("null", b""),
    ('{"__metadata__":{}}', b""),
    (f'{{"a\\ud800":{TENSOR}}}', FOUR),
    (f'{{"a\\ud83d\\ude00":{TENSOR}}}', FOUR),
    (f'{{"\\ude00":{TENSOR}}}', FOUR),
    (f'{{"a\x01":{TENSOR}}}', FOUR),
    (f'{{"a\x7f":{TENSOR}}}', FOUR),
    (f'{{"a\\u0000":{TENSOR}}}', FOUR),
    (f'{{"\\q":{TENSOR}}}', FOUR),
    (f'{{"":{TENSOR}}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1e999}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1e-999}}', FOUR),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":%s}}' % ("9" * 40), FOUR),
    ('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":NaN}}', FOUR),
    ('{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}', b"12"),
    ('{"a":{"dtype":"F6_E2M3","shape":[2,2],"data_offsets":[0,3]}}', b"123"),
] + [
    (
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":%s}}' % ("[" * n + "]" * n),
        FOUR,
    )
    for n in (1, 124, 125, 126, 127, 128, 5000, 1_000_000)
]


def test_verdict_on_edge_cases(tmp_path: Path) -> None:
    verdicts = set()
    blobs = [encode(header.encode(), data) for header, data in EDGES]
    for raw in (
        b'{"a\xff":%s}',
        b'{"a\xed\xa0\x80":%s}',
        b'{"a\xc0\xaf":%s}',
        b'{"a\xf4\x90\x80\x80":%s}',
    ):
        blobs.append(encode(raw % TENSOR.encode(), FOUR))
    for length in (0, 1, 7, 8, 9, 100_000_000, 100_000_001, 2**63, 2**64 - 1):
        blobs.append(struct.pack("<Q", length) + b"{}")
    blobs += [b"", b"1234567"]
    for blob in blobs:
        expected = accepted_by_package(blob)
        assert accepted(tmp_path / "x", blob) == expected, blob[:200]
        verdicts.add(expected)
    assert verdicts == {True, False}


def test_verdict_on_every_dtype_and_size(tmp_path: Path) -> None:
    names = [*DTYPES, *BITS_WITHOUT_TORCH, "C128", "F128", "I4", "bool", ""]
    for name in names:
        for size in range(0, 20):
            header = {"a": {"dtype": name, "shape": [2], "data_offsets": [0, size]}}
            blob = encode(header, bytes(size))
            assert accepted(tmp_path / "x", blob) == accepted_by_package(blob), (name, size)


def mutate(blob: bytes, rng: random.Random) -> bytes:
    """One of the ways in which a file goes wrong, by accident or on purpose."""
    size = struct.unpack("<Q", blob[:8])[0]
    header, data = blob[8 : 8 + size], blob[8 + size :]
    raw = bytearray(blob)
    way = rng.randrange(8)
    if way == 0:
        return blob[: rng.randrange(len(blob))]
    if way == 1:
        for _ in range(rng.randint(1, 4)):
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        return bytes(raw)
    if way == 2:
        raw[rng.randrange(min(len(raw), 8 + size))] = rng.randrange(256)
        return bytes(raw)
    if way == 3:
        return blob + bytes(rng.randint(1, 16))
    if way == 4:  # one number of the header becomes another
        spots = [i for i, c in enumerate(header) if chr(c).isdigit()]
        spot = rng.choice(spots)
        number = rng.choice([b"0", b"-1", b"1.5", b"4294967296", b"18446744073709551615", b"7"])
        return encode(header[:spot] + number + header[spot + 1 :], data)
    if way == 5:  # a piece of the header is repeated, moved or dropped
        a, b = sorted(rng.randrange(len(header) + 1) for _ in range(2))
        piece, spot = header[a:b], rng.randrange(len(header) + 1)
        edited = rng.choice([header[:a] + header[b:], header[:spot] + piece + header[spot:]])
        return encode(edited, data)
    parsed = json.loads(header)
    names = [name for name in parsed if name != "__metadata__"]
    entry = parsed[rng.choice(names)]
    if way == 6:
        entry["data_offsets"][rng.randrange(2)] += rng.choice([-4, -1, 1, 4, 2**40, 2**63])
    else:
        entry[rng.choice(["dtype", "shape", "data_offsets", "x"])] = rng.choice(
            ["F64", "BF16", [2, 3], [0], [], [2**62, 8], [2**63, 0], None, {}, 0, [0, 4]]
        )
    keys = list(parsed)
    rng.shuffle(keys)
    return encode({key: parsed[key] for key in keys}, data)


def test_a_thousand_mutated_files(tmp_path: Path) -> None:
    """In a process of its own, so that a crash would be seen as one."""
    counts = run_fuzz("fuzz_safetensors.py", tmp_path, 1500)
    assert counts["files"] == 1500
    assert counts["accepted"] > 50 and counts["refused"] > 800, counts


# Files that are not there, not files, or change


def test_file_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors"):
        TensorSource.open_safetensors(tmp_path / "nothing.safetensors")
    with pytest.raises(FileNotFoundError, match="x/y"):
        (tmp_path / "x").write_text("")
        TensorSource.open_safetensors(tmp_path / "x" / "y")
    with pytest.raises(CheckpointError, match="folder"):
        TensorSource.open_safetensors(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="regular file"):
        TensorSource.open_safetensors(tmp_path / "pipe")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextmanager
def without_rights() -> Iterator[None]:
    """Root may read and write everything: for a while we are somebody else."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_unreadable_file(open_folder: Path) -> None:
    _testing.write_safetensors(open_folder / "x", {"a": torch.ones(1)})
    (open_folder / "x").chmod(0)
    with without_rights(), pytest.raises(OSError, match=r"x: .*Permission denied.*permissions"):
        TensorSource.open_safetensors(open_folder / "x")


@pytest.mark.parametrize("change", ["truncate", "empty", "grow", "rewrite"])
def test_a_file_that_changes_after_it_was_opened_is_an_error(tmp_path: Path, change: str) -> None:
    path = tmp_path / "x.safetensors"
    _testing.write_safetensors(path, {"a": torch.ones(64, 1024)})
    source = TensorSource.open_safetensors(path)
    assert source.tensor("a").sum() == 64 * 1024
    size = path.stat().st_size
    if change == "rewrite":
        path.write_bytes(path.read_bytes()[:-1] + b"\1")
        os.utime(path, ns=(1, 1))  # whatever the clock's grain
    else:
        os.truncate(path, {"truncate": size // 2, "empty": 0, "grow": size + 1}[change])
    with pytest.raises(
        CheckpointError, match=r"x\.safetensors.*changed or truncated.*open it again"
    ):
        source.tensor("a")


def test_a_file_that_is_replaced_or_deleted_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    _testing.write_safetensors(path, {"a": torch.ones(8)})
    source = TensorSource.open_safetensors(path)
    _testing.write_safetensors(path, {"a": torch.zeros(8)})
    assert source.tensor("a").sum() == 8
    path.unlink()
    assert source.tensor("a").sum() == 8


# Writing that fails


def test_writer_refuses_what_the_format_lacks(tmp_path: Path) -> None:
    for tensors in ({"a": torch.ones(1, dtype=torch.complex128)}, {"__metadata__": torch.ones(1)}):
        with pytest.raises(ValueError, match=next(iter(tensors))):
            _testing.write_safetensors(tmp_path / "x", tensors)
        assert list(tmp_path.iterdir()) == []


def test_writing_into_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none/x.*No such file or directory"):
        _testing.write_safetensors(tmp_path / "none" / "x", {"a": torch.ones(1)})


def test_writing_into_a_folder_that_is_not_writable(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    with without_rights(), pytest.raises(OSError, match=r"x: .*Permission denied.*writable"):
        _testing.write_safetensors(open_folder / "x", {"a": torch.ones(1)})
    assert list(open_folder.iterdir()) == []


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    _testing.write_safetensors(path, {"a": torch.ones(2)})
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"x\.safetensors.*File too large.*room"):
            _testing.write_safetensors(path, {"a": torch.ones(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_that_a_folder_has_taken(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        _testing.write_safetensors(tmp_path / "x", {"a": torch.ones(1)})
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]
