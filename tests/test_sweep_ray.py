"""executor="ray": the same units on a local cluster of two workers, with the same bits."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import contlm
import pytest
from contlm import Classifier, Point, Sweep, zoo
from sweep_support import same, small
from tiny_models import attach, make_judge

ray = pytest.importorskip("ray")


def opened(text_lm: contlm.Interpolator, **options: Any) -> contlm.Interpolator:
    """The model of `text_lm` with one thread, so that two workers fit anywhere."""
    spec = text_lm.spec
    return contlm.Interpolator.from_pretrained(spec.model, spec.attributes, threads=1, **options)


@pytest.mark.slow
def test_two_workers_give_the_same_bits(text_lm: contlm.Interpolator, tmp_path: Path) -> None:
    """A cluster starts once: into a folder, into memory, a worker's own error, and a model that
    others have not."""
    lm = opened(text_lm)
    options: dict[str, Any] = {
        "classifiers": {
            "tone": Classifier.from_pretrained(zoo.classifier_path("humor"), threads=1),
            # on the model that a worker has open anyway
            "mood": Classifier.from_pretrained(
                make_judge(lm.spec.model, tmp_path / "mood", 3, r=4), base=lm
            ),
        },
        "perplexity_text": "The fox met the dog by the river. " * 4,
        "judge": lm,
    }
    two = {"kind": "ray", "workers": 2}
    here = small(lm, **options)
    ray.init(num_cpus=2, log_to_driver=False)
    try:
        same(small(lm, executor=two, **options), here)
        assert ray.is_initialized()  # it was not ours to stop
        out = tmp_path / "out"
        there = small(lm, executor="ray", out=out, **options)
        same(there, here)
        same(Sweep.load(out), here)
        # units of one kind of worker are those of the other
        (out / "units" / "00002.parquet").unlink()
        same(small(lm, out=out, **options), here)
        with pytest.raises(ValueError, match="must fit the context"):
            small(lm, executor=two, max_new_tokens=10**6)
        with pytest.raises(ValueError, match="too few for 9 workers of 1 threads"):
            small(lm, executor={"kind": "ray", "workers": 9})
    finally:
        ray.shutdown()


@pytest.mark.slow
def test_a_cluster_of_its_own(text_lm: contlm.Interpolator) -> None:
    lm = opened(text_lm)
    same(small(lm, executor={"kind": "ray", "workers": 2}), small(lm))
    assert not ray.is_initialized()


def test_models_in_memory_cannot_travel(text_base: Path, text_lm: contlm.Interpolator) -> None:
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(text_base)
    adapted = attach(model, 0, r=2, target_modules=["q_proj"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lm = contlm.Interpolator.from_pretrained(
            adapted, {"tone": ("default", "default")}, tokenizer=text_base
        )
    assert lm.sweep(["The fox"], [Point()], progress=False).complete
    with pytest.raises(ValueError, match="model: must be a directory or a hub id"):
        lm.sweep(["The fox"], [Point()], progress=False, executor="ray")
    assert not ray.is_initialized()


def test_unknown_options_are_named(text_lm: contlm.Interpolator) -> None:
    with pytest.raises(TypeError, match="nodes"):
        small(text_lm, executor={"kind": "ray", "nodes": 3})
    with pytest.raises(ValueError, match="workers must be at least 1"):
        small(text_lm, executor={"kind": "ray", "workers": 0})


def test_without_ray_it_says_how_to_get_it(
    text_lm: contlm.Interpolator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(ValueError, match=r"pip install 'contlm\[ray\]'"):
        small(text_lm, executor="ray")
