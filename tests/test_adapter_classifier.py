"""Classifiers that are adapters: LoRA and a score head on a decoder that is loaded already, against
AutoModelForSequenceClassification with PEFT."""

from __future__ import annotations

import json
import shutil
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import contlm
import numpy as np
import pytest
import safetensors.torch
import torch
import transformers
from adapters import edit_config
from conftest import byte_level_tokenizer
from contlm import AdapterError, Classifier
from contlm._native import SequenceClassifiers
from contlm.loading.spec import ClassifierSpec
from contlm.model.classifier import Panel, open_specs
from peft import PeftModel
from sweep_support import same, small
from test_classifier import make_classifier
from tiny_models import (
    FAMILIES,
    anchor_configs,
    make_adapter,
    make_judge,
    make_model,
    sequence_model,
)

TOLERANCE = {"rtol": 1e-4, "atol": 1e-4}
TEXTS = [
    "The quick brown fox jumps over the lazy dog.",
    "a",
    "One morning, a naïve café owner met the fox. " * 5,
    "“How do you do?” said the dog",
    "\n\n  \t",
]
LONG = "They sat together by the river, where it was warm. " * 40


def make_base(folder: Path, family: str) -> Path:
    tokenizer = byte_level_tokenizer()
    config = FAMILIES[family]()
    config.vocab_size = tokenizer.get_vocab_size()
    make_model(config, seed=len(family)).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@torch.no_grad()
def expected_logits(
    base: Path, judge: Path, texts: list[str], side: str | None = None
) -> np.ndarray:
    """PEFT and transformers, cut as their tokenizer cuts: one text at a time, or all of them padded
    at a side. Positions count the tokens, which GPT-2 does not do by itself."""
    labels = safetensors.torch.load_file(judge / "adapter_model.safetensors")[
        "base_model.model.score.weight"
    ].shape[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = PeftModel.from_pretrained(sequence_model(base, labels), str(judge)).eval()
    context = contlm.Interpolator.from_pretrained(base, {}).context_length
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(base / "tokenizer.json"),
        pad_token="<pad>",
        padding_side=side or "right",
    )
    rows = []
    for batch in [texts] if side else [[text] for text in texts]:
        ids = tokenizer(
            batch, padding=True, truncation=True, max_length=context, return_tensors="pt"
        )
        mask = ids["attention_mask"]
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        out = model(input_ids=ids["input_ids"], attention_mask=mask, position_ids=positions)
        rows.append(out.logits.float().numpy())
    return np.concatenate(rows)


class World:
    """A base with a tokenizer, ten anchors and three classifiers of it."""

    def __init__(self, folder: Path, family: str) -> None:
        self.base = make_base(folder / "base", family)
        four = anchor_configs(family)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            paths = [
                make_adapter(self.base, folder / name, seed, **lora)
                for seed, (name, lora) in enumerate(four.items())
            ]
            self.attributes = {
                name: (paths[i % 4], paths[(i + 1) % 4]) for i, name in enumerate("abcde")
            }
            self.lm = contlm.Interpolator.from_pretrained(self.base, self.attributes)
        attention = ["c_attn"] if family == "gpt2" else ["q_proj", "v_proj"]
        embedding = "wte" if family == "gpt2" else "embed_tokens"
        self.judges = {
            "kind": make_judge(self.base, folder / "kind", 11, r=4, lora_alpha=6),
            "long": make_judge(
                self.base, folder / "long", 12, 3, r=2, lora_bias=True, target_modules=attention
            ),
            "warm": make_judge(
                self.base, folder / "warm", 13, 1, r=3, target_modules=[*attention, embedding]
            ),
        }

    def classifiers(self) -> dict[str, Classifier]:
        return {n: Classifier.from_pretrained(d, base=self.lm) for n, d in self.judges.items()}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], World]:
    made: dict[str, World] = {}

    def get(family: str) -> World:
        if family not in made:
            made[family] = World(tmp_path_factory.mktemp(family), family)
        return made[family]

    return get


@pytest.fixture(scope="module")
def llama(world: Callable[[str], World]) -> World:
    return world("llama-tied")


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_transformers_and_peft(world: Callable[[str], World], family: str) -> None:
    here = world(family)
    for name, classifier in here.classifiers().items():
        expected = expected_logits(here.base, here.judges[name], [*TEXTS, LONG])
        assert expected.std() > 0.1
        found = classifier.logits([*TEXTS, LONG])
        assert found.dtype == np.float32 and found.shape == expected.shape
        assert classifier.num_labels == expected.shape[1]
        assert classifier.context_length == here.lm.context_length
        np.testing.assert_allclose(found, expected, **TOLERANCE)
        for side in ("left", "right"):
            padded = expected_logits(here.base, here.judges[name], TEXTS, side)
            np.testing.assert_allclose(classifier.logits(TEXTS), padded, **TOLERANCE)


@pytest.mark.parametrize("family", ["llama-tied", "gpt2"])
def test_company_changes_nothing(world: Callable[[str], World], family: str) -> None:
    """Of other texts, of other classifiers, and of other lengths that fill several batches."""
    here = world(family)
    classifiers = here.classifiers()
    texts = [TEXTS[i % len(TEXTS)][: 3 * i + 1] for i in range(60)] + [LONG] * 9
    together = Panel(classifiers).score(texts)
    assert list(together) == list(classifiers)
    for name, classifier in classifiers.items():
        alone = classifier.logits(texts)
        np.testing.assert_allclose(classifier.logits(texts[::-1])[::-1], alone, atol=1e-5)
        for i in (0, 1, 59, 60):
            np.testing.assert_allclose(classifier.logits(texts[i])[0], alone[i], atol=1e-5)
        np.testing.assert_allclose(together[name], classifier.score(texts), atol=1e-5)


def test_one_pass_for_those_on_one_base(llama: World, tmp_path: Path) -> None:
    """The names keep their order, whatever shares a base with what; each name may stand for the
    same classifier."""
    other = contlm.Interpolator.from_pretrained(llama.base, {})
    roberta = Classifier.from_pretrained(make_classifier(tmp_path / "r"))
    mine = llama.classifiers()
    mixed = {
        "warm": mine["warm"],
        "roberta": roberta,
        "elsewhere": Classifier.from_pretrained(llama.judges["kind"], base=other),
        "kind": mine["kind"],
        "again": mine["kind"],
    }
    panel = Panel(mixed)
    assert [names for names, _ in panel._together] == [["warm", "kind", "again"], ["elsewhere"]]
    found = panel.score(TEXTS)
    assert list(found) == list(mixed)
    for name, classifier in mixed.items():
        np.testing.assert_allclose(found[name], classifier.score(TEXTS), atol=1e-5)
    assert {name: scores.shape for name, scores in panel.score([]).items()} == dict.fromkeys(
        mixed, (0,)
    )
    with pytest.raises(TypeError, match=r"texts\[1\]: must be a str, got int"):
        panel.score(["a", 3])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="must be opened on one model to score together"):
        SequenceClassifiers(llama.lm.engine).add(mixed["elsewhere"]._network.native)  # type: ignore[attr-defined]


def test_the_model_is_not_changed(llama: World) -> None:
    anchors, point = llama.lm.anchors, contlm.Point({"a": 0.5, "c": 1.5})
    before = llama.lm.logits([[1, 5, 9, 20]], point=point)
    classifiers = llama.classifiers()
    Panel(classifiers).score(TEXTS)
    assert llama.lm.anchors == anchors and llama.lm.engine.anchors == list(anchors)
    assert torch.equal(llama.lm.logits([[1, 5, 9, 20]], point=point), before)


def test_beside_threads_that_generate(llama: World) -> None:
    expected = {n: c.logits(TEXTS) for n, c in llama.classifiers().items()}
    texts = llama.lm.generate(TEXTS[:2], alpha={"a": 1.0}, max_new_tokens=12, seed=1).texts
    errors: list[str] = []

    def generate() -> None:
        for _ in range(4):
            again = llama.lm.generate(TEXTS[:2], alpha={"a": 1.0}, max_new_tokens=12, seed=1)
            errors.extend(["texts differ"] * (again.texts != texts))

    def judge() -> None:
        for _ in range(4):
            for name, classifier in llama.classifiers().items():
                if np.abs(classifier.logits(TEXTS) - expected[name]).max() > 1e-5:
                    errors.append(name)

    threads = [threading.Thread(target=work) for work in (generate, judge, judge)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_it_outlives_the_model(llama: World) -> None:
    lm = contlm.Interpolator.from_pretrained(llama.base, {})
    native = SequenceClassifiers(lm.engine)
    native.add(Classifier.from_pretrained(llama.judges["kind"], base=lm)._network.native)  # type: ignore[attr-defined]
    del lm
    assert native.logits([[1, 2, 3]])[0].isfinite().all()


def test_scores_go_by_the_head(llama: World) -> None:
    """No problem_type in an adapter: a sigmoid of class 1, unless there is one label."""
    found = llama.classifiers()
    assert {name: c.head for name, c in found.items()} == {
        "kind": "sigmoid",
        "long": "sigmoid",
        "warm": "regression",
    }
    logits = torch.from_numpy(found["long"].logits(TEXTS)).double()
    np.testing.assert_allclose(found["long"].score(TEXTS), logits[:, 1].sigmoid(), atol=1e-6)
    soft = Classifier.from_pretrained(llama.judges["long"], base=llama.lm, head="softmax")
    np.testing.assert_allclose(soft.score(TEXTS), logits.softmax(-1)[:, 1], atol=1e-6)
    np.testing.assert_array_equal(
        found["warm"].score(TEXTS), found["warm"].logits(TEXTS)[:, 0].astype(np.float64)
    )
    assert found["long"].logits([]).shape == (0, 3) and found["long"].score([]).shape == (0,)
    assert "kind, 2 labels, sigmoid" in repr(found["kind"])
    assert "256 tokens" in found["kind"]._repr_html_()


def test_a_text_without_tokens_is_read_as_its_beginning(llama: World) -> None:
    """Of a language model's token that begins a text, of which RoBERTa's tokenizer adds one."""
    classifier = Classifier.from_pretrained(llama.judges["kind"], base=llama.lm)
    assert llama.lm.tokenizer is not None and llama.lm.tokenizer.encode("") == []
    begun = classifier._network.logits([[llama.lm.bos_token_id]])
    np.testing.assert_array_equal(classifier.logits(""), begun)
    np.testing.assert_allclose(classifier.logits(["a", ""])[1:], begun, atol=1e-5)


def test_on_every_device(llama: World, device: str) -> None:
    lm = contlm.Interpolator.from_pretrained(llama.base, {}, device=device)
    judges = {n: Classifier.from_pretrained(d, base=lm) for n, d in llama.judges.items()}
    found = Panel(judges).score(TEXTS)
    for name, judge in judges.items():
        expected = expected_logits(llama.base, llama.judges[name], TEXTS)
        np.testing.assert_allclose(judge.logits(TEXTS), expected, **TOLERANCE)
        np.testing.assert_allclose(found[name], judge.score(TEXTS), atol=1e-5)


def test_bfloat16_is_close(llama: World) -> None:
    lm = contlm.Interpolator.from_pretrained(llama.base, {}, dtype="bfloat16")
    classifier = Classifier.from_pretrained(llama.judges["kind"], base=lm)
    assert classifier.spec.dtype == "bfloat16"
    expected = expected_logits(llama.base, llama.judges["kind"], TEXTS)
    assert np.abs(classifier.logits(TEXTS) - expected).max() < 0.1 * np.abs(expected).max()


def test_fingerprint(llama: World, tmp_path: Path) -> None:
    """Of the adapter's files and of the base's; not of the anchors beside it."""
    here = Classifier.from_pretrained(llama.judges["kind"], base=llama.lm).fingerprint
    assert here["from"] == str(llama.judges["kind"]) and here["dtype"] == "float32"
    copied = shutil.copytree(llama.judges["kind"], tmp_path / "kind")
    bare = contlm.Interpolator.from_pretrained(llama.base, {})
    assert Classifier.from_pretrained(copied, base=bare).fingerprint["sha256"] == here["sha256"]
    edit_config(copied, lora_dropout=0.25)
    assert Classifier.from_pretrained(copied, base=bare).fingerprint["sha256"] != here["sha256"]
    base = shutil.copytree(llama.base, tmp_path / "base")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "note": "another"}))
    moved = contlm.Interpolator.from_pretrained(base, {})
    judged = Classifier.from_pretrained(llama.judges["kind"], base=moved)
    assert judged.fingerprint["sha256"] != here["sha256"]


def test_specs_open_again(llama: World) -> None:
    """In another process: by paths alone, on the model that is there where its base is the same,
    and each other base once."""
    first = llama.classifiers()
    other = contlm.Interpolator.from_pretrained(llama.base, {}, dtype="bfloat16")
    first["low"] = Classifier.from_pretrained(llama.judges["kind"], base=other)
    first["also"] = Classifier.from_pretrained(llama.judges["warm"], base=other)
    specs = {name: classifier.spec.portable(1) for name, classifier in first.items()}
    assert specs["kind"].base is not None and specs["kind"].base.attributes == {}
    lm_spec = llama.lm.spec.portable(1)
    lm = contlm.Interpolator.from_spec(lm_spec)
    opened = open_specs(specs, [(lm_spec, lm)])
    on = {name: classifier._network.lm for name, classifier in opened.items()}  # type: ignore[attr-defined]
    assert on["kind"] is on["long"] is on["warm"] is lm
    assert on["low"] is on["also"] is not lm and on["low"].dtype == "bfloat16"
    for name, classifier in opened.items():
        np.testing.assert_allclose(
            classifier.score(TEXTS), first[name].score(TEXTS), rtol=1e-5, atol=1e-5
        )
        assert classifier.fingerprint["sha256"] == first[name].fingerprint["sha256"]
        assert classifier.spec.head == first[name].spec.head
    alone = Classifier.from_spec(specs["kind"])
    np.testing.assert_allclose(alone.score(TEXTS), first["kind"].score(TEXTS), atol=1e-5)
    in_memory = contlm.Interpolator.from_pretrained(
        transformers.AutoModelForCausalLM.from_pretrained(llama.base),
        {},
        tokenizer=llama.base,
    )
    held = Classifier.from_pretrained(llama.judges["kind"], base=in_memory)
    np.testing.assert_allclose(held.score(TEXTS), first["kind"].score(TEXTS), atol=1e-5)
    with pytest.raises(ValueError, match="model: must be a directory or a hub id for other"):
        held.spec.portable(1)


def test_a_sweep_with_them(llama: World, tmp_path: Path) -> None:
    lm = contlm.Interpolator.from_pretrained(llama.base, {"tone": llama.attributes["a"]})
    judges = {
        name: Classifier.from_pretrained(llama.judges[name], base=lm) for name in ("kind", "warm")
    }
    swept = small(lm, classifiers=judges, out=tmp_path / "out")
    frame = swept.frame
    for name, classifier in judges.items():
        np.testing.assert_allclose(
            frame[f"score_{name}"], classifier.score(frame["text"].tolist()), atol=1e-5
        )
    # a second time from what is there, and not with another classifier
    same(small(lm, classifiers=judges, out=tmp_path / "out"), swept)
    judges["warm"] = judges["kind"]
    with pytest.raises(ValueError, match=r"classifiers\.warm"):
        small(lm, classifiers=judges, out=tmp_path / "out")


def test_commands(llama: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from contlm.cli import main

    (tmp_path / "texts.txt").write_text("The fox met the dog.\nwarm\n", encoding="utf-8")
    options = ["--classifier", f"kind={llama.judges['kind']}", str(tmp_path / "texts.txt")]
    out = ["--out", str(tmp_path / "scored.csv")]
    assert main(["score", "--base", str(llama.base), *options, *out]) == 0
    import pandas as pd

    judge = Classifier.from_pretrained(llama.judges["kind"], base=llama.lm)
    np.testing.assert_allclose(
        pd.read_csv(tmp_path / "scored.csv")["score_kind"],
        judge.score(["The fox met the dog.", "warm"]),
        atol=1e-5,
    )
    capsys.readouterr()
    assert main(["score", *options]) != 0
    assert "base: must be the model that the adapter" in capsys.readouterr().err


def edited(world: World, folder: Path, **fields: Any) -> Path:
    """The classifier "kind" with another adapter_config.json."""
    copied = shutil.copytree(world.judges["kind"], folder)
    edit_config(copied, **fields)
    return copied


def retensored(world: World, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The classifier "kind" with other tensors."""
    copied = shutil.copytree(world.judges["kind"], folder)
    tensors = safetensors.torch.load_file(copied / "adapter_model.safetensors")
    change(tensors)
    safetensors.torch.save_file(tensors, copied / "adapter_model.safetensors")
    return copied


SCORE = "base_model.model.score.weight"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task_type": "CAUSAL_LM"}, r'got "CAUSAL_LM" \(an adapter that steers .*attributes='),
        ({"task_type": "TOKEN_CLS"}, r'"task_type" of a classifier must be "SEQ_CLS", got "TOKEN_'),
        ({"task_type": None}, r'must be "SEQ_CLS", got null'),
        ({"modules_to_save": None}, r'must be \["score"\], its head, got null'),
        ({"modules_to_save": ["classifier"]}, r'must be \["score"\], its head, got \["classifier'),
        (
            {"modules_to_save": ["score", "lm_head"]},
            r'must be \["score"\], its head, got .*lm_head',
        ),
        ({"use_dora": True}, "DoRA"),
    ],
    ids=str,
)
def test_refused_configs(
    llama: World, tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(AdapterError, match=message):
        Classifier.from_pretrained(edited(llama, tmp_path / "c", **fields), base=llama.lm)


def test_a_list_of_the_head_alone_is_read(llama: World, tmp_path: Path) -> None:
    """As contlm.train writes it; PEFT itself lists the heads of other families too."""
    saved = json.loads((llama.judges["kind"] / "adapter_config.json").read_text())
    assert set(saved["modules_to_save"]) == {"classifier", "score"}
    folder = edited(llama, tmp_path / "c", modules_to_save=["score"])
    first = Classifier.from_pretrained(llama.judges["kind"], base=llama.lm)
    np.testing.assert_array_equal(
        Classifier.from_pretrained(folder, base=llama.lm).logits(TEXTS), first.logits(TEXTS)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update({SCORE: torch.ones(2, 7)}), r'the "score" head must be \[labels, 32\]'),
        (
            lambda t: t.update({SCORE: torch.ones(0, 32)}),
            r'the "score" head must be \[labels, 32\]',
        ),
        (lambda t: t.update({SCORE: torch.ones(32)}), "must have 2 dimensions"),
        (lambda t: t.update({SCORE: torch.ones(2, 32).long()}), "must be float32, float16 or"),
        (lambda t: t.pop(SCORE), r"missing: .*score\.weight"),
        (
            lambda t: t.update({SCORE.replace("weight", "bias"): torch.ones(2)}),
            "unexpected: .*score",
        ),
        (
            lambda t: t.update({"base_model.model.dense.weight": torch.ones(2, 2)}),
            "unexpected: .*dense",
        ),
    ],
    ids=["width", "no labels", "flat", "ints", "none", "bias", "stranger"],
)
def test_refused_tensors(
    llama: World, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    with pytest.raises(AdapterError, match=message):
        Classifier.from_pretrained(retensored(llama, tmp_path / "c", change), base=llama.lm)


def test_mistakes(
    llama: World, world: Callable[[str], World], text_lm: contlm.Interpolator, tmp_path: Path
) -> None:
    load, kind = Classifier.from_pretrained, llama.judges["kind"]
    with pytest.raises(ValueError, match=r"base: must be the model that the adapter .*base=lm"):
        load(kind)
    with pytest.raises(TypeError, match=r"base: must be a contlm\.Interpolator, got str"):
        load(kind, base=str(llama.base))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="holds a whole model; leave it out"):
        load(make_classifier(tmp_path / "r"), base=llama.lm)
    with pytest.raises(FileNotFoundError, match=r"adapter_config\.json: the file must exist"):
        (tmp_path / "empty").mkdir()
        load(tmp_path / "empty", base=llama.lm)
    for options in ({"dtype": "float32"}, {"device": "cpu"}, {"threads": 1}):
        with pytest.raises(ValueError, match="must be left out with base="):
            load(kind, base=llama.lm, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="a regression has one value, the classifier has 2"):
        load(kind, base=llama.lm, head="regression")
    with pytest.raises(AdapterError, match='got "CAUSAL_LM"'):
        load(llama.attributes["a"][0], base=llama.lm)
    with pytest.raises(AdapterError, match="give the base that it was trained for"):
        load(kind, base=world("gpt2").lm)
    (tmp_path / "bare").mkdir()
    for file in ("config.json", "model.safetensors"):
        shutil.copy(llama.base / file, tmp_path / "bare")
    with pytest.raises(ValueError, match="base: must have a tokenizer"):
        load(kind, base=contlm.Interpolator.from_pretrained(tmp_path / "bare", {}))
    with pytest.raises(ValueError, match="classifier: must be a directory or a hub id"):
        ClassifierSpec(object()).portable(1)  # type: ignore[arg-type]


def test_another_shape_is_named(llama: World, tmp_path: Path) -> None:
    config = FAMILIES["llama-tied"]()
    config.vocab_size, config.intermediate_size = byte_level_tokenizer().get_vocab_size(), 64
    make_model(config).save_pretrained(tmp_path / "wide")
    byte_level_tokenizer().save(str(tmp_path / "wide" / "tokenizer.json"))
    wide = contlm.Interpolator.from_pretrained(tmp_path / "wide", {})
    with pytest.raises(AdapterError, match="mlp"):
        Classifier.from_pretrained(llama.judges["kind"], base=wide)


def test_an_anchor_with_a_head_stays_refused(llama: World, tmp_path: Path) -> None:
    """Both by its config and, where that says nothing, by its tensors."""
    kind = llama.judges["kind"]
    plain = edited(llama, tmp_path / "c", modules_to_save=None)
    for low, message in (
        (kind, "a classifier, which judges texts"),
        (plain, "classification head"),
    ):
        with pytest.raises(AdapterError, match=message):
            contlm.Interpolator.from_pretrained(llama.base, {"tone": (low, kind)})
