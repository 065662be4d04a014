"""contlm sweep, score, perplexity: the example runs, and a mistake in a file names its key."""

from __future__ import annotations

import io
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import contlm
import pandas as pd
import pytest
from contlm import Sweep, grid, zoo
from contlm.cli import build_parser, main
from contlm.cli.sweep import example
from contlm.cli.sweep_config import read_config

SMALL = """
out = "result"
prompts = { texts = ["The fox", "One"] }
generate = { num_return_sequences = 2, max_new_tokens = 3, seed = 5, temperature = 0.5 }
model = { path = "bundled", threads = 1 }
[grid]
kind = "line"
attribute = "humor"
step = 0.5
"""


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def written(folder: Path, text: str) -> Path:
    file = folder / "sweep.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize("command", ["sweep", "score", "perplexity"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    lines = re.sub(r"\\\n\s*", "", out[out.index("example:") :]).splitlines()[1:]
    assert lines
    for line in lines:
        arguments = shlex.split(line)
        assert arguments[:2] == ["contlm", command]
        build_parser().parse_args(arguments[1:])


# -- sweep ----------------------------------------------------------------------------------------


def test_the_example_runs_as_it_stands(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "sweep", "--init")
    assert code == 0 and "contlm sweep sweep.toml" in out
    assert Path("sweep.toml").read_text() == example()
    code, out, err = run(capsys, "sweep", "sweep.toml", "--csv", "texts.csv")
    assert code == 0 and "sweeping: 100%" in err
    assert "score_sentiment" in out and "wrote contlm-sweep and texts.csv" in out
    sweep = Sweep.load("contlm-sweep")
    assert sweep.complete and sweep.grid == grid.line("sentiment", -1, 2, 0.5)
    assert len(sweep) == 7 * 8 * 3 == len(pd.read_csv("texts.csv"))
    assert {"perplexity", "dist_3", "score_sentiment_sem"} <= set(sweep.summary)
    # again: nothing is left to do, and the same is shown but for the speed
    code, again, err = run(capsys, "sweep", "sweep.toml", "--quiet", "--csv", "texts.csv")
    assert code == 0 and again == out and err == ""
    code, _, err = run(capsys, "sweep", "--init")
    assert code == 2 and "sweep.toml is there already" in err


def test_every_commented_line_of_the_example_is_a_key(tmp_path: Path) -> None:
    """Each commented table, uncommented in place of the rest, passes the checks."""
    grids = re.findall(r"^# \[\[grid\]\]\n((?:# .*\n)+)", example(), re.M)
    assert len(grids) == 6
    kinds = set()
    for lines in grids:
        table = re.sub(r"^# ", "", lines, flags=re.M)
        kinds.add(read_config(written(tmp_path, f"[[grid]]\n{table}")).points.kind)
    assert kinds == {"simplex", "alpha_lambda", "entangle", "product", "random", "custom"}
    options = re.findall(
        r"^# (\w+ = .*)$", example().split("[generate]")[1].split("[measure]")[0], re.M
    )
    assert len(options) == 9
    text = SMALL.replace("[grid]", "[grid]").replace("generate = {", "# {")
    config = read_config(written(tmp_path, text + "\n[generate]\n" + "\n".join(options)))
    assert config.generate["stop_strings"] == ["\n"] and config.generate["eos_token_id"] == [2]
    model = re.findall(r"^# (\w+ = .*)$", example().split("# [model]")[1].split("# Each")[0], re.M)
    ends = re.findall(
        r"^# (\w+ = \[.*)$", example().split("# [attributes]")[1].split("[prompts]")[0], re.M
    )
    whole = "\n".join(["[model]", *model, "[attributes]", *ends, '[prompts]\nfile = "p"'])
    config = read_config(
        written(tmp_path, f'{whole}\n[grid]\nkind = "line"\nattribute = "formality"')
    )
    assert set(config.attributes) == {"sentiment", "formality"}
    assert config.tables["model"]["threads"] == 8


def test_a_file_gives_what_the_call_gives(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, _ = run(capsys, "sweep", written(tmp_path, SMALL), "--quiet")
    assert code == 0
    direct = zoo.load(threads=1).sweep(
        ["The fox", "One"], grid.line("humor", step=0.5), num_return_sequences=2,
        max_new_tokens=3, seed=5, temperature=0.5, progress=False,
    )  # fmt: skip
    pd.testing.assert_frame_equal(Sweep.load(tmp_path / "result").frame, direct.frame)


def test_models_and_files_lie_where_the_file_says(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths start at the file; models of one's own, a judge, several grids, one's own text."""
    (tmp_path / "zoo").symlink_to(zoo.path())
    (tmp_path / "prompts.txt").write_text("The fox\nOne\nTwo\n")
    (tmp_path / "held.txt").write_text("One morning the fox met the dog. " * 9)
    file = written(tmp_path, """
        out = "result"
        classifiers = { sentiment = "zoo/classifiers/humor", humor = "bundled" }
        measure = { metrics = ["score", "perplexity", "length", "self_bleu"] }
        perplexity = { text = "held.txt", protocol = "token", stride = 16, max_length = 32 }
        prompts = { file = "prompts.txt", count = 2 }
        generate = { num_return_sequences = 2, max_new_tokens = 3 }
        [model]
        path = "zoo/base"
        dtype = "float32"
        threads = 1
        [attributes]
        humor = ["zoo/adapters/humor-low", "zoo/adapters/humor-high"]
        sentiment = ["zoo/adapters/sentiment-low", "zoo/adapters/sentiment-high"]
        [judge]
        path = "zoo/base"
        threads = 1
        [[grid]]
        kind = "entangle"
        pairs = [["humor", "sentiment"]]
        alphas = [0, 1]
        [[grid]]
        kind = "custom"
        points = [{ alpha = { humor = 0.8 } }, {}]
    """)  # fmt: skip
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    code, _, err = run(capsys, "sweep", file, "--quiet")
    assert code == 0, err
    sweep = Sweep.load(tmp_path / "result")
    assert len(sweep.points) == 4 and sweep.grid.kind == "custom"
    assert set(sweep.frame["prompt"]) == {"The fox", "One"}
    assert sweep.manifest["perplexity"]["protocol"] == "token"
    assert sweep.manifest["model"]["dtype"] == "float32"
    digests = {n: c["sha256"] for n, c in sweep.manifest["classifiers"].items()}
    assert digests["sentiment"] == digests["humor"]
    wanted = {"length", "self_bleu", "conditional_perplexity", "score_humor"}
    assert wanted <= set(sweep.summary) and "dist_1" not in sweep.summary
    # another place for the results, and no going on
    assert run(capsys, "sweep", file, "--quiet", "--out", "here")[0] == 0
    assert Sweep.load("here").complete
    code, _, err = run(capsys, "sweep", file, "--quiet", "--out", "here", "--no-resume")
    assert code == 2 and "holds a sweep already" in err


LINE = '[grid]\nkind = "line"\nattribute = "humor"\n'
BAD: list[tuple[str, str]] = [
    ("out = [", "must be TOML"),
    ('out = "x"', "grid: is missing"),
    (LINE.replace('"line"', '"circle"'), "grid.kind: must be one of line, simplex"),
    ("[[grid]]\nattribute = 3", "grid[0].kind: must be one of"),
    ("grid = 3", "grid.kind: must be one of"),
    (f"{LINE}stepp = 0.5", "grid.stepp: unknown key, did you mean step? known: attribute, kind"),
    (f"{LINE}step = 0.3", "grid: step: must divide stop - start"),
    (f'{LINE}step = "x"', "grid.step: must be a number, got 'x'"),
    (f"{LINE}step = true", "grid.step: must be a number, got True"),
    ('[grid]\nkind = "line"', "grid: is missing 1 required positional argument: 'attr"),
    ('[grid]\nkind = "simplex"\nattributes = "abc"', "grid.attributes: must be a list"),
    ('[grid]\nkind = "simplex"\nattributes = ["a", 3]', "grid.attributes[1]: must be a string"),
    ('[grid]\nkind = "entangle"', "grid: must have either attributes or pairs"),
    ('[grid]\nkind = "entangle"\npairs = [["a"]]', "grid.pairs[0]: must be a list of two, got 1"),
    ('[grid]\nkind = "custom"\npoints = [{ alfa = 1 }]', "grid.points[0].alfa: unknown key"),
    ('[grid]\nkind = "custom"\npoints = []', "grid: points: must hold at least one Point"),
    (f"{LINE}[generate]\ntemprature = 1", "temprature: unknown key, did you mean temperature"),
    (f"{LINE}[generate]\nmax_tokens = 9", "generate.max_tokens: unknown key, did you mean max_new"),
    (f"{LINE}[generate]\nmax_new_tokens = 2.5", "generate.max_new_tokens: must be a whole numb"),
    (f"{LINE}[generate]\ndo_sample = 1", "generate.do_sample: must be true or false, got 1"),
    (f"{LINE}[model]\ndtype = 'float32'", "model.path: is missing"),
    (f"{LINE}[model]\npath = 'b'", "attributes: is missing; [model] needs"),
    (f"{LINE}[attributes]\nhumor = ['a', 'b']", "attributes: needs [model]"),
    (f"{LINE}[attributes]\nhumor = ['a']", "attributes.humor: must be a list of two"),
    (
        f"{LINE}[model]\npath = 'b'\n[attributes]\nhumor = ['a', 'b']",
        "prompts: is missing; [model] needs",
    ),
    (f"{LINE}[prompts]\nfile = 'p'\ntexts = []", "prompts: give file or texts, got both"),
    (f"{LINE}[perplexity]\nstride = 3", "perplexity.text: is missing"),
    (f"{LINE}[executor]\nworkers = 3", "executor.kind: is missing"),
    (f"speed = 3\n{LINE}", "speed: unknown key; known: attributes, classifiers, executor"),
    (f"model = 3\n{LINE}", "model: must be a table, got 3"),
    (f"{LINE}[classifiers]\nhumor = 3", "classifiers.humor: must be a string"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[m[:40] for _, m in BAD])
def test_a_mistake_in_the_file_names_its_key(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, message: str
) -> None:
    file = written(tmp_path, text)
    code, out, err = run(capsys, "sweep", file)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert err.startswith(f"contlm: {file}: ") and message in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["sweep.toml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LINE, "out: is missing; say where"),
        (f"out = 'o'\n{LINE}[prompts]\ncount = 0", "prompts.count: must be from 1 to the"),
        (f"out = 'o'\n{LINE}[prompts]\nfile = 'none'", "prompts.file: no file 'none'"),
        (f"out = 'o'\n{LINE}[perplexity]\ntext = 'none'", "perplexity.text: no file 'none'"),
        (f"out = 'o'\n{LINE}[classifiers]\nmood = 'bundled'", "attribute: must be one of"),
        (f"out = 'o'\n{LINE}[measure]\nmetrics = ['bleu']", "metrics: must be among score"),
        (f"out = 'o'\n{LINE}[generate]\ntemperature = -1", "temperature"),
        (f"out = 'o'\n{LINE}[executor]\nkind = 'dask'", "executor: must be None or among ray"),
        (f"out = 'o'\n{LINE.replace('humor', 'mood')}", "unknown attribute 'mood'; known: simpl"),
    ],
)
def test_mistakes_that_only_the_models_show(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, message: str
) -> None:
    code, _, err = run(capsys, "sweep", written(tmp_path, text), "--quiet")
    assert code == 2 and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep"], "sweep: give CONFIG.toml, or --init FILE"),
        (["sweep", "a.toml", "--init", "b.toml"], "sweep: give CONFIG.toml, or --init FILE"),
        (["sweep", "/no/such.toml"], "no file '/no/such.toml'; contlm sweep --init /no/such.toml"),
        (["sweep", "--init", "/no/such/place.toml"], "No such file or directory"),
        (["score", "--classifier", "mood", "x"], "attribute: must be one of"),
        (["score", "--classifier", "a=", "x"], "--classifier: must be NAME=DIR"),
        (["score", "--classifier", "humor", "/no/file"], "score: no file '/no/file'"),
        (["score", "--classifier", "humor", "--out", "x.txt", "y"], "must end in .csv or .parquet"),
        (["perplexity", "/no/file"], "perplexity: no file '/no/file'"),
        (["perplexity", "--model", "m"], "perplexity: give a text file"),
    ],
)
def test_mistakes_are_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2 and out == ""
    assert err.startswith("contlm: ") and message in err and err.count("\n") == 1


def test_ctrl_c_shows_what_is_finished_and_exits_130(tmp_path: Path) -> None:
    big = SMALL.replace("num_return_sequences = 2", "num_return_sequences = 256").replace(
        "step = 0.5", "stop = 400.0\nstep = 0.5"
    )
    file = written(tmp_path, big)
    child = subprocess.Popen(
        [sys.executable, "-m", "contlm", "sweep", str(file), "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(contlm.__file__).parents[1]),
        },
    )
    try:
        while not list((tmp_path / "result" / "units").glob("*.parquet")):
            assert child.poll() is None
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    finally:
        child.kill()
    assert child.returncode == 130, err
    assert "units finished" in out and err.strip().endswith("the same command goes on from there")
    assert not Sweep.load(tmp_path / "result").complete


# -- score ----------------------------------------------------------------------------------------


def scores(name: str, texts: list[str]) -> Any:
    return contlm.Classifier.from_pretrained(zoo.classifier_path(name)).score(texts)


TEXTS = ["One morning the fox laughed.", "", "A grim, grim day"]


def test_score_shows_a_table(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(TEXTS) + "\n")
    both = ["--classifier", "humor", "--classifier", f"own={zoo.classifier_path('sentiment')}"]
    code, out, err = run(capsys, "score", *both, file)
    assert code == 0 and out.splitlines()[0].split() == ["score_humor", "score_own", "text"]
    wanted = scores("humor", TEXTS)
    assert [float(line.split()[0]) for line in out.splitlines()[2:]] == pytest.approx(
        wanted, abs=1e-4
    )
    assert f"3 texts, means: humor {wanted.mean():.4f}" in err
    monkeypatch.setattr("sys.stdin", io.StringIO(file.read_text()))
    assert run(capsys, "score", *both)[1] == out
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "stdin has no text" in run(capsys, "score", *both)[2]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_score_reads_and_writes_tables(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, kind: str
) -> None:
    source, target = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    table = pd.DataFrame({"review": TEXTS, "stars": [5, 3, 1]})
    table.to_csv(source, index=False) if kind == "csv" else table.to_parquet(source, index=False)
    arguments = ["score", "--classifier", "humor", "--column", "review", "--out", target, source]
    code, out, err = run(capsys, *arguments)
    assert code == 0 and out == "" and f"wrote {target}" in err
    found = (pd.read_csv if kind == "csv" else pd.read_parquet)(target)
    assert list(found) == ["review", "stars", "score_humor"]
    assert found["score_humor"].to_numpy() == pytest.approx(scores("humor", TEXTS))
    code, _, err = run(capsys, "score", "--classifier", "humor", source)
    assert code == 2 and "has no column 'text', it has review, stars" in err


# -- perplexity -----------------------------------------------------------------------------------


def test_perplexity(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = zoo.heldout_text()[:2000]
    file = tmp_path / "text.txt"
    file.write_text(text)
    lm = zoo.load()
    options = ["--stride", 32, "--max-length", 64]
    code, out, _ = run(capsys, "perplexity", file, "--alpha", "humor=.5", *options)
    wanted = lm.perplexity(text, alpha={"humor": 0.5}, stride=32, max_length=64)
    assert code == 0
    assert out == (
        f"perplexity {wanted:.6g} (humor=0.5; protocol paper, max_length 64, stride 32)\n"
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    code, out, _ = run(capsys, "perplexity", "-", "--protocol", "word")
    assert out.startswith(f"perplexity {lm.perplexity(text, protocol='word'):.6g} (the base; ")
    code, out, _ = run(capsys, "perplexity", "--max-length", 256, "--stride", 256)
    bundled = lm.perplexity(zoo.heldout_text(), max_length=256, stride=256)
    assert code == 0 and out.startswith(f"perplexity {bundled:.6g} (the base")
