"""The commands: each runs, each helps with an example, each says a mistake in one line."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import contlm
import pytest
import torch
from conftest import load_transformers
from contlm.cli import build_parser, main
from tiny_models import make_adapter

COMMANDS = ("demo", "generate", "merge", "inspect", "report", "explore", "bench", "zoo")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def pair(text_base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("pair")
    low = make_adapter(text_base, folder / "low", 0, r=4, target_modules=["q_proj", "v_proj"])
    high = make_adapter(
        text_base,
        folder / "high",
        1,
        r=8,
        lora_alpha=16,
        target_modules=["q_proj", "down_proj"],
        rank_pattern={"down_proj": 2},
    )
    return low, high


@pytest.fixture()
def model(text_base: Path, pair: tuple[Path, Path]) -> list[str]:
    return ["--model", str(text_base), "--attribute", f"tone={pair[0]},{pair[1]}"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    example = out[out.index("example:") :]
    assert f"contlm {command}" in example
    lines = re.sub(r"\\\n\s*", "", example).splitlines()
    import shlex

    for line in lines[1:]:
        arguments = shlex.split(line)
        assert arguments[0] == "contlm"
        build_parser().parse_args(arguments[1:])


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--version")
    assert code == 0 and out.startswith(f"contlm {contlm.__version__} (torch {torch.__version__}")


def test_generate(capsys: pytest.CaptureFixture[str], model: list[str]) -> None:
    options = [*model, "--alpha", "tone=.5", "--seed", 3, "--max-new-tokens", 8]
    code, out, err = run(capsys, "generate", *options, "The fox", "One")
    assert code == 0 and "seed 3" in err
    assert "The fox" in out and out == run(capsys, "generate", *options, "The fox", "One")[1]
    streamed = run(capsys, "generate", *options, "--stream", "The fox")[1]
    assert out.startswith(streamed.rstrip("\n"))
    code, out, _ = run(capsys, "generate", *options, "--samples", 3, "--stop", "e", "The fox")
    assert code == 0 and out.count("The fox") == 3


def test_generate_reads_stdin(
    capsys: pytest.CaptureFixture[str], model: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    monkeypatch.setattr(sys, "stdin", io.StringIO("The fox\nOne\n"))
    code, out, _ = run(capsys, "generate", *model, "--greedy", "--max-new-tokens", 2)
    assert code == 0 and out.startswith("The fox") and "\nOne" in out


def test_merge(capsys: pytest.CaptureFixture[str], model: list[str], tmp_path: Path) -> None:
    out_dir = tmp_path / "merged"
    point = ["--alpha", "tone=.8", "--lam", "tone=.5"]
    code, out, _ = run(capsys, "merge", *model, *point, "--out", out_dir)
    assert code == 0 and "tone.high 0.4" in out
    lm = contlm.Interpolator.from_pretrained(model[1], {"tone": model[3].split("=")[1].split(",")})
    expected = lm.logits([[1, 2, 3]], alpha=0.8, lam=0.5)
    with torch.no_grad():
        found = load_transformers(out_dir)(torch.tensor([[1, 2, 3]])).logits
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-4)
    assert (out_dir / "tokenizer.json").is_file()
    code, _, _ = run(
        capsys, "merge", *model, *point, "--out", tmp_path / "a", "--as", "adapter", "--rank", 3
    )
    config = json.loads((tmp_path / "a" / "adapter_config.json").read_text())
    assert code == 0 and config["base_model_name_or_path"] == model[1]


def test_inspect(
    capsys: pytest.CaptureFixture[str], pair: tuple[Path, Path], text_base: Path
) -> None:
    code, out, _ = run(capsys, "inspect", pair[1])
    assert code == 0
    assert re.search(r"^rank +2 \.\. 8$", out, re.M) and "rank_pattern" in out
    assert re.search(r"layers\.\*\.self_attn\.q_proj +2 +32 x 32 +8 +2 ", out)
    assert re.search(r"layers\.\*\.mlp\.down_proj +2 +48 x 32 +2 +8 ", out)
    norm = float(re.search(r"\|delta\| +([\d.]+) \(Frob", out)[1])  # type: ignore[index]
    lm = contlm.Interpolator.from_pretrained(text_base, {"t": (pair[0], pair[1])})
    assert norm == pytest.approx(float(lm.engine.gram()[1, 1]) ** 0.5, rel=1e-3)
    assert run(capsys, "inspect", pair[1], "--base", text_base)[1] == out
    code, out, _ = run(capsys, "inspect", pair[1], "--modules")
    assert code == 0 and "model.layers.1.self_attn.q_proj" in out


def test_inspect_embeddings_and_conv1d(
    capsys: pytest.CaptureFixture[str], case: object, tmp_path: Path
) -> None:
    tiny = case("gpt2")  # type: ignore[operator]
    for name, anchor in tiny.anchors.items():
        code, out, _ = run(capsys, "inspect", anchor)
        assert code == 0, name
        bare = re.findall(r"^\S+ +\d+ +\d+ x \d+.*$", out, re.M)
        _, out, _ = run(capsys, "inspect", anchor, "--base", tiny.base)
        assert bare and re.findall(r"^\S+ +\d+ +\d+ x \d+.*$", out, re.M) == bare


def test_bench(capsys: pytest.CaptureFixture[str], model: list[str], tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    small = ["--rows", 2, "--repeats", 1, "--max-new-tokens", 4, "--prompt-tokens", 5]
    code, out, _ = run(capsys, "bench", *model, *small, "--out", file)
    assert code == 0 and "tokens/s" in out
    report = json.loads(file.read_text())
    assert [f["points"] for f in report["generate"]] == ["one", "all different"]
    assert all(f["tokens_per_s"] > 0 for f in report["generate"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect", "/no/such/adapter"], "adapter: no directory '/no/such/adapter'"),
        (["generate", "--model", "/no/such/model", "x"], "model: no directory"),
        (["generate", "--attribute", "tone=a,b", "x"], "--attribute: needs --model"),
        (["generate", "--model", "m", "--attribute", "tone", "x"], "must be NAME=LOW,HIGH"),
        (["generate", "--alpha", "tone", "x"], "--alpha: must be NAME=NUMBER, got 'tone'"),
        (["generate", "--stream", "x", "y"], "--stream: shows one text"),
        (["merge", "--out", "o"], "--alpha: say where to stand"),
        (["merge", "--out", "o", "--rank", "3"], "--rank: is for --as adapter"),
        (["bench", "--rows", "0"], "--rows, --repeats: must be at least 1"),
    ],
)
def test_mistakes_are_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2 and out == ""
    assert err.startswith("contlm: ") and message in err and err.count("\n") == 1


def test_unknown_attribute_lists_the_known(
    capsys: pytest.CaptureFixture[str], model: list[str]
) -> None:
    code, _, err = run(capsys, "generate", *model, "--alpha", "mood=1", "x")
    assert code == 2 and "'mood'; known: tone" in err


def test_ctrl_c_exits_130(model: list[str]) -> None:
    arguments = ["generate", *model, "--samples", "30000", "--max-new-tokens", "200", "The fox"]
    script = f"""
        import sys
        from contlm import Interpolator, cli

        generate = Interpolator.generate

        def told(*arguments, **options):
            print("generating", flush=True)
            return generate(*arguments, **options)

        Interpolator.generate = told
        sys.exit(cli.main({arguments!r}))
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == "generating\n"
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
    finally:
        child.kill()
    assert child.returncode == 130
    assert err.strip().endswith("contlm: interrupted")


needs_zoo = pytest.mark.skipif(
    not (Path(contlm.__file__).parent / "zoo" / "tiny" / "data" / "base").is_dir(),
    reason="the bundled models are not built here",
)


@needs_zoo
def test_demo(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out_dir = tmp_path / "demo"
    begun = time.perf_counter()
    code, out, _ = run(capsys, "demo", "--out", out_dir, "--second", "formality")
    assert code == 0 and time.perf_counter() - begun < 60
    assert re.search(r"^alpha +score +base_perplexity +text$", out, re.M) and str(out_dir) in out
    # the texts at -1 and 2 have words that come apart
    said = re.search(r"^stable range: alpha in \[(\S+), (\S+)\]", out, re.M)
    ends = [float(end.replace("−", "-")) for end in said.groups()] if said else []
    assert len(ends) == 2 and -1 < ends[0] <= 0 and 1 <= ends[1] < 2
    assert (out_dir / "demo.png").read_bytes().startswith(b"\x89PNG")
    with (out_dir / "demo.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "line"]
    scores = {
        alpha: [float(r["score_sentiment"]) for r in rows if float(r["alpha_sentiment"]) == alpha]
        for alpha in (0.0, 1.0)
    }
    mean = {alpha: sum(s) / len(s) for alpha, s in scores.items()}
    assert mean[0.0] < 0.3 and mean[1.0] > 0.7
    assert {float(r["alpha_sentiment"]) for r in rows} >= {-1.0, 0.5, 2.0}


@needs_zoo
def test_demo_mistake(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "demo", "--out", tmp_path / "d", "--second", "mood")
    assert code == 2 and "formality" in err and not (tmp_path / "d").exists()


@needs_zoo
def test_bundled_models_are_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "generate", "--alpha", "sentiment=1", "--seed", 0, "One morning")
    assert code == 0 and out.startswith("One morning") and len(out) > 40
