"""Sweeps in a folder: what is finished stays finished, whatever happens to the process, and nothing
else is mixed in."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import contlm
import pytest
from contlm import Classifier, Sweep, grid, zoo
from contlm.sweep import store
from contlm.sweep.worker import Worker
from sweep_support import LINE, PROMPTS, bundled, same, small

UNITS = len(LINE)


@pytest.fixture(scope="module")
def unbroken(text_lm: contlm.Interpolator) -> Sweep:
    return small(text_lm)


def names(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def whole(units: int = UNITS) -> list[str]:
    return [".lock", "sweep.json", *(f"units/{i:05d}.parquet" for i in range(units))]


@contextlib.contextmanager
def fails_at(monkeypatch: pytest.MonkeyPatch, unit: int, error: BaseException) -> Iterator[None]:
    """The `unit`-th unit that is computed raises `error`."""
    compute, calls = Worker.compute, iter(range(10**6))

    def failing(self: Worker, *arguments: Any) -> Any:
        if next(calls) == unit:
            raise error
        return compute(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Worker, "compute", failing)
        yield


def interrupted(
    lm: contlm.Interpolator, out: Path, monkeypatch: pytest.MonkeyPatch, after: int, **options: Any
) -> Sweep:
    """A sweep that Ctrl-C ended after `after` units."""
    with (
        fails_at(monkeypatch, after, KeyboardInterrupt()),
        pytest.warns(RuntimeWarning, match=f"interrupted with {after} of"),
    ):
        return small(lm, out=out, **options)


def test_a_folder_holds_what_memory_would(
    text_lm: contlm.Interpolator, unbroken: Sweep, tmp_path: Path
) -> None:
    out = tmp_path / "a" / "b"
    same(small(text_lm, out=out), unbroken)
    assert names(out) == whole()
    loaded = Sweep.load(out)
    same(loaded, unbroken)
    again = small(text_lm, out=str(out))
    same(again, unbroken)
    assert again.manifest == loaded.manifest


def test_an_interrupted_sweep_goes_on(
    text_lm: contlm.Interpolator,
    unbroken: Sweep,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = interrupted(text_lm, tmp_path, monkeypatch, 2)
    assert not part.complete and len(part) == 2 * 256 and "2 of 5 units" in repr(part)
    assert part.summary["point"].tolist() == [0, 1]
    assert names(tmp_path) == whole(2)
    same(Sweep.load(tmp_path), part)
    finished = {name: (tmp_path / name).stat().st_mtime_ns for name in whole(2)}
    same(small(text_lm, out=tmp_path), unbroken)
    assert finished == {name: (tmp_path / name).stat().st_mtime_ns for name in whole(2)}


def test_interrupted_before_anything_is_finished(
    text_lm: contlm.Interpolator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = interrupted(text_lm, tmp_path, monkeypatch, 0)
    assert len(part.frame) == 0 == len(part.summary) and not part.complete
    assert list(part.frame) == list(small(text_lm, num_return_sequences=1).frame)
    assert "base_perplexity" in part.frame
    # nothing is finished, so another configuration may take the folder
    assert small(text_lm, out=tmp_path, num_return_sequences=1, top_k=3).complete


def test_an_error_keeps_what_is_finished(
    text_lm: contlm.Interpolator,
    unbroken: Sweep,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with fails_at(monkeypatch, 3, MemoryError("no room")), pytest.raises(MemoryError):
        small(text_lm, out=tmp_path)
    assert names(tmp_path) == whole(3)
    same(small(text_lm, out=tmp_path), unbroken)


def test_a_sweep_of_before_base_perplexity_loads(
    text_lm: contlm.Interpolator, tmp_path: Path
) -> None:
    """Its units have neither the column nor the seconds."""
    import pyarrow.parquet as pq
    from contlm.sweep.worker import NOTE_KEY, note_of

    small(text_lm, out=tmp_path, metrics="dist")
    for file in store.unit_files(tmp_path).values():
        table = pq.read_table(file)
        note = note_of(table)
        del note["seconds"]["base_perplexity"]
        file.unlink()
        pq.write_table(table.replace_schema_metadata({NOTE_KEY: json.dumps(note)}), file)
    old = Sweep.load(tmp_path)
    assert "base_perplexity" not in {*old.frame, *old.summary, *old.seconds}
    assert old.complete and len(old.summary) == UNITS
    same(small(text_lm, out=tmp_path, metrics="dist"), old)


# -- SIGKILL --------------------------------------------------------------------------------------


def start(out: Path) -> subprocess.Popen[str]:
    """The bundled sweep in a process of its own, which is about to begin."""
    code = "import sys, sweep_support; sweep_support.bundled(sys.argv[1])"
    here, source = Path(__file__).parent, Path(contlm.__file__).parent.parent
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(out)],
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(map(str, (here, source))),
        },
    )
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    return child


def kill_and_resume(folder: Path, times: int) -> None:
    """Each time: kill at a random moment, then go on from there in another process."""
    begun = time.perf_counter()
    reference = bundled(folder / "unbroken")
    seconds = time.perf_counter() - begun
    moments = random.Random(7)
    partial = 0
    for _ in range(times):
        out = folder / "killed"
        shutil.rmtree(out, ignore_errors=True)
        child = start(out)
        time.sleep(moments.uniform(0, 0.9 * seconds))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        partial += 0 < len(store.unit_files(out)) < reference.manifest["units"]
        same(bundled(out), reference)
        same(Sweep.load(out), reference)
        assert names(out) == names(folder / "unbroken")
    assert partial, "no kill came while there was something to keep and something to do"


def test_killed_and_resumed(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, 2)


@pytest.mark.slow
def test_killed_ten_times(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, 10)


def test_what_a_kill_left_half_written_is_removed(
    text_lm: contlm.Interpolator,
    unbroken: Sweep,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    interrupted(text_lm, tmp_path, monkeypatch, 2)
    (tmp_path / "units" / ".00002.99.parquet").write_bytes(b"PAR1 half")
    (tmp_path / ".sweep.99.json").write_bytes(b"{")
    same(small(text_lm, out=tmp_path), unbroken)
    assert names(tmp_path) == whole()


def test_hidden_files_of_others_are_refused_and_stay(
    text_lm: contlm.Interpolator, tmp_path: Path
) -> None:
    kept = tmp_path / ".notes.99.txt"
    kept.write_text("mine")
    with pytest.raises(FileExistsError, match=r"\.notes\.99\.txt"):
        small(text_lm, out=tmp_path)
    assert kept.read_text() == "mine"


# -- damage ---------------------------------------------------------------------------------------


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[60] ^= 0xFF  # inside the first data page
    file.write_bytes(bytes(content))


def swap(file: Path) -> None:
    file.write_bytes(file.with_name("00000.parquet").read_bytes())


def foreign(file: Path) -> None:
    import pandas as pd

    pd.DataFrame({"a": [1]}).to_parquet(file)


@pytest.mark.parametrize("damage", [truncate, empty, flip, swap, foreign])
def test_a_damaged_unit_is_computed_again(
    text_lm: contlm.Interpolator, unbroken: Sweep, tmp_path: Path, damage: Any
) -> None:
    small(text_lm, out=tmp_path)
    file = tmp_path / "units" / "00003.parquet"
    damage(file)
    if damage is not swap:
        with pytest.raises(ValueError, match=r"00003\.parquet: is damaged"):
            Sweep.load(tmp_path)
    with pytest.warns(RuntimeWarning, match=r"00003\.parquet: is .*; computed again"):
        same(small(text_lm, out=tmp_path), unbroken)
    same(Sweep.load(tmp_path), unbroken)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "contlm.sweep/9"}'])
def test_a_damaged_manifest_is_refused(
    text_lm: contlm.Interpolator, tmp_path: Path, content: str
) -> None:
    small(text_lm, out=tmp_path)
    (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(ValueError, match=r"sweep\.json: must "):
        Sweep.load(tmp_path)
    with pytest.raises(ValueError, match=r"sweep\.json: must "):
        small(text_lm, out=tmp_path)


# -- refusals -------------------------------------------------------------------------------------

CHANGED: list[tuple[dict[str, Any], str]] = [
    ({"seed": 1}, "seed: has 0, asked for 1"),
    ({"top_k": 5}, "sampling.top_k: has 0, asked for 5"),
    ({"temperature": 0.5}, "sampling.temperature: has 1.0, asked for 0.5"),
    ({"stop_strings": ["x"]}, "sampling.stop_strings"),
    ({"mode": "bank"}, "sampling.mode: has 'auto', asked for 'bank'"),
    ({"max_new_tokens": 4}, "sampling.max_new_tokens: has 3, asked for 4"),
    ({"num_return_sequences": 65}, "sampling.num_return_sequences"),
    ({"prompts": ["The dog", *PROMPTS[1:]]}, r"prompts\[0\]: has 'The fox', asked for 'The dog'"),
    ({"prompts": PROMPTS[:3]}, "prompts: has 4 items"),
    ({"points": grid.line("tone", -1, 1, 1)}, "grid.axes.alphas"),
    ({"points": list(LINE)}, "grid.kind: has 'line', asked for 'custom'"),
    ({"metrics": ("base_perplexity", "dist", "length")}, "metrics"),
    ({"metrics": "dist"}, "metrics: has .'base_perplexity', 'dist'., asked for .'dist'."),
    ({"perplexity_text": "a b c d"}, "perplexity"),
]


@pytest.fixture(scope="module")
def finished(text_lm: contlm.Interpolator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished")
    small(text_lm, out=out)
    return out


@pytest.mark.parametrize(("options", "message"), CHANGED, ids=[m for _, m in CHANGED])
def test_a_changed_configuration_is_refused(
    text_lm: contlm.Interpolator, finished: Path, options: dict[str, Any], message: str
) -> None:
    before = {name: (finished / name).read_bytes() for name in names(finished)}
    with pytest.raises(ValueError, match="holds a sweep of another configuration") as caught:
        small(text_lm, out=finished, **options)
    import re

    assert re.search(message, str(caught.value)), caught.value
    assert before == {name: (finished / name).read_bytes() for name in names(finished)}


def test_other_models_are_refused(
    text_lm: contlm.Interpolator, text_base: Path, tmp_path: Path
) -> None:
    """Each by its hash: an adapter, the base, the dtype, a classifier."""
    spec = text_lm.spec
    low, high = (Path(anchor) for anchor in spec.attributes["tone"])
    humor, sentiment = (
        Classifier.from_pretrained(zoo.classifier_path(name)) for name in ("humor", "sentiment")
    )
    out = tmp_path / "out"
    small(text_lm, out=out, classifiers={"tone": humor})

    def refused(lm: contlm.Interpolator, message: str, classifier: Classifier = humor) -> None:
        with pytest.raises(ValueError, match=message):
            small(lm, out=out, classifiers={"tone": classifier})

    def opened(base: Path, ends: tuple[Path, Path], **options: Any) -> contlm.Interpolator:
        return contlm.Interpolator.from_pretrained(base, {"tone": ends}, **options)

    refused(opened(text_base, (high, low)), r"model\.anchors\.tone\.low\.sha256")
    refused(opened(text_base, (low, high), dtype="bfloat16"), r"model\.dtype: has 'float32'")
    refused(text_lm, r"classifiers\.tone\.sha256", sentiment)
    other = tmp_path / "base"
    shutil.copytree(text_base, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
    refused(opened(other, (low, high)), r"model\.base\.sha256")
    # the same files elsewhere are the same model
    moved = tmp_path / "moved"
    shutil.copytree(text_base, moved)
    assert small(opened(moved, (low, high)), out=out, classifiers={"tone": humor}).complete


def test_versions_are_compared_and_machines_are_not(
    text_lm: contlm.Interpolator, tmp_path: Path
) -> None:
    small(text_lm, out=tmp_path)
    manifest = json.loads((tmp_path / "sweep.json").read_text())
    manifest["machine"]["python"], manifest["started"] = "2.7", "yesterday"
    (tmp_path / "sweep.json").write_text(json.dumps(manifest))
    assert small(text_lm, out=tmp_path).manifest["started"] == "yesterday"
    manifest["versions"]["contlm"] = "0.0.1"
    (tmp_path / "sweep.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"versions\.contlm: has '0\.0\.1'"):
        small(text_lm, out=tmp_path)


def test_no_resume_overwrites_nothing(text_lm: contlm.Interpolator, finished: Path) -> None:
    with pytest.raises(FileExistsError, match=r"5 of 5 units finished\); resume=True goes on"):
        small(text_lm, out=finished, resume=False)
    assert names(finished) == whole()


def test_a_folder_of_other_things_is_refused(text_lm: contlm.Interpolator, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    for resume in (True, False):
        with pytest.raises(FileExistsError, match=r"it has thesis\.tex and no sweep\.json"):
            small(text_lm, out=tmp_path, resume=resume)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_an_undrawn_seed_is_that_of_the_folder(
    text_lm: contlm.Interpolator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = interrupted(text_lm, tmp_path, monkeypatch, 1, seed=None)
    done = small(text_lm, out=tmp_path, seed=None)
    assert done.manifest["seed"] == part.manifest["seed"] and done.complete


# -- what the disk and other processes do ----------------------------------------------------------


@contextlib.contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Writing more than `size` bytes into one file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_that_cannot_be_written_whole(
    text_lm: contlm.Interpolator,
    unbroken: Sweep,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    interrupted(text_lm, tmp_path, monkeypatch, 2)
    with no_file_above(500), pytest.raises(OSError, match=r"what is finished is kept") as caught:
        small(text_lm, out=tmp_path)
    assert caught.value.filename == str(tmp_path / "units" / "00002.parquet")
    assert names(tmp_path) == whole(2)
    same(small(text_lm, out=tmp_path), unbroken)


def test_a_full_disk(text_lm: contlm.Interpolator, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mounted, capture_output=True).returncode:
        pytest.skip("a file system of one's own cannot be mounted here")
    try:
        with pytest.raises(OSError, match="No space left on device") as caught:
            small(text_lm, out=disk / "out", max_new_tokens=40)
        assert caught.value.errno == errno.ENOSPC
        kept = len(Sweep.load(disk / "out")) // 256
        assert 0 < kept < UNITS and names(disk / "out") == whole(kept)
        grown = ["mount", "-o", "remount,size=4m", str(disk)]
        assert subprocess.run(grown, capture_output=True).returncode == 0
        unbroken = small(text_lm, max_new_tokens=40)
        same(small(text_lm, out=disk / "out", max_new_tokens=40), unbroken)
    finally:
        subprocess.run(["umount", str(disk)], check=False)


def test_a_folder_that_cannot_be_made(text_lm: contlm.Interpolator, tmp_path: Path) -> None:
    """Below a file, which not even root can write."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot make the folder") as caught:
        small(text_lm, out=tmp_path / "file" / "out")
    assert caught.value.filename == str(tmp_path / "file" / "out")
    with pytest.raises(NotADirectoryError, match="out: must be a folder"):
        small(text_lm, out=tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_must_not_be_written(text_lm: contlm.Interpolator, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot write into the folder"):
        small(text_lm, out=tmp_path)


def test_two_sweeps_do_not_share_a_folder(text_lm: contlm.Interpolator, tmp_path: Path) -> None:
    """Another process holds the folder, as long as it lives."""
    out = tmp_path / "out"
    out.mkdir()
    holder = subprocess.Popen(
        [
            sys.executable, "-c",
            "import fcntl, sys, time; f = open(sys.argv[1], 'a+'); fcntl.flock(f, fcntl.LOCK_EX);"
            "print('held', flush=True); time.sleep(60)",
            str(out / ".lock"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(BlockingIOError, match="another process sweeps into"):
            small(text_lm, out=out)
    finally:
        holder.kill()
        holder.communicate()
    assert small(text_lm, out=out).complete


def test_a_second_sweep_beside_a_running_one(text_lm: contlm.Interpolator, tmp_path: Path) -> None:
    child = start(tmp_path / "out")
    try:
        while not (tmp_path / "out" / "sweep.json").is_file():
            time.sleep(0.01)
        with pytest.raises(BlockingIOError, match="another process sweeps into"):
            small(text_lm, out=tmp_path / "out")
    finally:
        child.kill()
        child.communicate()


def test_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"sweep: no sweep\.json in"):
        Sweep.load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"sweep: no sweep\.json in"):
        Sweep.load(tmp_path / "nowhere")
