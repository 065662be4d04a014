"""What a newcomer meets: names nearly right, objects shown, mistakes answered with what to do."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import contlm
import peft
import pytest
import transformers
from conftest import Case
from contlm._common.arguments import nearest, suggests_arguments
from contlm.loading import hub


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("samples", "num_return_sequences"),
        ("max_tokens", "max_new_tokens"),
        ("temprature", "temperature"),
        ("topk", "top_k"),
        ("lambda_", "lam"),
    ],
)
def test_generate_names_the_argument_that_was_meant(llama: Case, typed: str, meant: str) -> None:
    options: dict[str, Any] = {typed: 3}
    with pytest.raises(TypeError, match=f"generate: unknown argument '{typed}', .* {meant}\\?"):
        llama.lm().generate([[1, 2]], **options)


def test_from_pretrained_does_too(llama: Case) -> None:
    options: dict[str, Any] = {"torch_dtype": "float32"}
    with pytest.raises(TypeError, match=r"from_pretrained: .* did you mean dtype"):
        contlm.Interpolator.from_pretrained(llama.base, {}, **options)
    with pytest.raises(TypeError, match=r"from_pretrained: .* did you mean device"):
        contlm.Classifier.from_pretrained(llama.base, device_map="cpu")  # type: ignore[call-arg]


def test_signatures_stay_what_they_are() -> None:
    parameters = inspect.signature(contlm.Interpolator.generate).parameters
    assert "max_new_tokens" in parameters and "kwargs" not in parameters
    assert contlm.Interpolator.generate.__doc__

    @suggests_arguments
    def call(a: int, b: int = 2) -> int:
        return a + b

    assert call(1, b=3) == 4
    with pytest.raises(TypeError, match="missing 1 required"):
        call()  # type: ignore[call-arg]


def test_nearest_knows_when_nothing_is_near() -> None:
    assert nearest("zebra", ["alpha", "seed"]) is None
    assert nearest("Top-K", ["top_k", "top_p"]) == "top_k"


def test_the_constructor_says_how_models_are_opened() -> None:
    with pytest.raises(TypeError, match=r"Interpolator.from_pretrained\(model, attributes\)"):
        contlm.Interpolator("llama", {})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Classifier.from_pretrained\(directory\)"):
        contlm.Classifier("roberta")  # type: ignore[arg-type]


def test_objects_show_themselves(llama: Case) -> None:
    shown = {
        "llama": llama.lm(),
        "alpha 0.5, lambda 1": contlm.Point({"tone": 0.5}),
        "base model": contlm.Point(),
        "11 points": contlm.grid.line("tone", 0, 1, 0.1),
        "sigmoid": contlm.Classifier.from_pretrained(contlm.zoo.classifier_path("humor")),
    }
    for part, thing in shown.items():
        html = thing._repr_html_()
        assert part in html and "<table" in html and len(repr(thing)) < 120, thing
    assert "&lt;b&gt;" in contlm.Point({"<b>": 1.0})._repr_html_()


def test_one_adapter_at_both_ends_is_warned_of(llama: Case) -> None:
    low = llama.anchors["tone.low"]
    with pytest.warns(UserWarning, match="tone: the same adapter stands at both ends") as told:
        contlm.Interpolator.from_pretrained(llama.base, {"tone": (low, str(low))})
    assert told[0].filename == __file__, "a warning points at the line that opens the model"


def test_adapters_of_one_peft_model_by_name(llama: Case) -> None:
    base = transformers.AutoModelForCausalLM.from_pretrained(llama.base)
    model = peft.PeftModel.from_pretrained(base, llama.anchors["tone.low"], adapter_name="sad")
    model.load_adapter(llama.anchors["tone.high"], adapter_name="happy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pairs = {"tone": ((model, "sad"), (model, "happy"))}
        lm = contlm.Interpolator.from_pretrained(llama.base, pairs)
        folders = {"tone": (llama.anchors["tone.low"], llama.anchors["tone.high"])}
        wanted = contlm.Interpolator.from_pretrained(llama.base, folders)
        with pytest.raises(contlm.AdapterError, match="must carry the adapter 'glad', it has sad"):
            contlm.Interpolator.from_pretrained(llama.base, {"tone": ((model, "glad"),) * 2})
    ids = [[1, 5, 9]]
    assert (lm.logits(ids, alpha=0.3) == wanted.logits(ids, alpha=0.3)).all()
    assert lm.fingerprint["anchors"]["tone.low"]["from"].startswith("adapter 'sad' of")


class _Refused(Exception):
    response = type("Response", (), {"status_code": 404})()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConnectionError("name resolution failed"), "could not reach the hub for 'owner/model'"),
        (_Refused("404 Client Error"), "and the hub has no 'owner/model': 404"),
    ],
)
def test_a_hub_that_says_no_and_one_that_is_not_there(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    with pytest.raises(FileNotFoundError, match=message):
        hub.resolve_directory("owner/model", "model")


@pytest.mark.parametrize("name", ["config.json", "generation_config.json"])
def test_json_nested_too_deep_is_an_error_of_its_file(
    llama: Case, tmp_path: Path, name: str
) -> None:
    for file in llama.base.iterdir():
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).write_text('{"a":' * 100_000 + "1" + "}" * 100_000, encoding="utf-8")
    with pytest.raises(contlm.CheckpointError, match=f"{name}.*nested too deep"):
        contlm.Interpolator.from_pretrained(tmp_path, {})


@pytest.mark.parametrize("shape", [(0, 4), (2, 0), (3,)])
def test_coefficients_of_another_shape_are_a_value_error(
    llama: Case, shape: tuple[int, ...]
) -> None:
    import numpy as np

    with pytest.raises(ValueError, match="coeff"):
        llama.lm().generate([[1, 2], [3, 4]], coeffs=np.zeros(shape))
    with pytest.raises(ValueError, match="coeff"):
        llama.lm().engine.logits(__import__("torch").ones(2, 3, dtype=int), None, np.zeros(shape))


def test_perplexity_keeps_quiet_of_its_own_default(llama: Case) -> None:
    ids = [i % 150 for i in range(300)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        llama.lm().perplexity(ids, max_length=64)
    with pytest.warns(UserWarning, match="stride: 100 is longer than max_length, 64"):
        llama.lm().perplexity(ids, max_length=64, stride=100)


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "contlm", *arguments], capture_output=True, text=True, input="One.\n"
    )


def test_the_bare_command_prints_help() -> None:
    done = cli()
    assert done.returncode == 0 and done.stdout.startswith("usage: contlm")


def test_the_command_names_the_option_that_was_meant() -> None:
    done = cli("generate", "--max-tokens", "3", "One")
    assert done.returncode == 2 and "did you mean --max-new-tokens?" in done.stderr


def test_bundled_classifiers_say_what_they_know() -> None:
    done = cli("score", "--classifier", "sentiment")
    assert done.returncode == 0 and "knows the stories of the bundled models alone" in done.stderr


def test_demo_refuses_a_second_attribute_before_it_loads(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from contlm.cli import main

    def load(*_: object, **__: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("contlm.zoo.world.World.load", load)
    assert main(["demo", "--second", "foo"]) == 2
    assert "--second: must be one of" in capsys.readouterr().err


def test_specs_are_plain_data(llama: Case) -> None:
    import pickle

    spec = llama.lm().spec.portable(threads=1)
    again = contlm.Interpolator.from_spec(pickle.loads(pickle.dumps(spec)))
    assert json.dumps(again.fingerprint) == json.dumps(llama.lm().fingerprint)
