"""The native classifier against transformers' RobertaForSequenceClassification."""

from __future__ import annotations

import json
from pathlib import Path

import contlm
import numpy as np
import pytest
import tokenizers
import torch
import transformers
from conftest import byte_level_tokenizer
from contlm import zoo
from tiny_models import randomize

CONTEXT = 24
TEXTS = [
    "The quick brown fox",
    "",
    "a",
    "One morning, a naïve café owner met the fox. " * 20,
    "“How do you do?” said the dog",
    "\n\n  \t",
    "warm",
]


def roberta_tokenizer() -> tokenizers.Tokenizer:
    tokenizer = byte_level_tokenizer()
    tokenizer.post_processor = tokenizers.processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 1), add_prefix_space=False
    )
    return tokenizer


def make_classifier(folder: Path, **options: object) -> Path:
    settings = {
        "vocab_size": byte_level_tokenizer().get_vocab_size(),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": CONTEXT + 1,
        "type_vocab_size": 1,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "num_labels": 2,
    }
    config = transformers.RobertaConfig(**{**settings, **options})
    torch.manual_seed(0)
    model = transformers.RobertaForSequenceClassification(config).eval()
    randomize(model, 5)
    model.save_pretrained(folder)
    roberta_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_classifier(tmp_path_factory.mktemp("classifier") / "c")


def expected_logits(directory: Path, texts: list[str]) -> np.ndarray:
    """transformers, one unpadded text at a time, cut as its own tokenizer cuts."""
    model = transformers.RobertaForSequenceClassification.from_pretrained(directory).eval()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(directory / "tokenizer.json")
    )
    rows = []
    for text in texts:
        ids = tokenizer(text, truncation=True, max_length=CONTEXT, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            rows.append(model(input_ids=ids).logits[0].float().numpy())
    return np.stack(rows)


def test_logits_and_scores(directory: Path) -> None:
    classifier = contlm.Classifier.from_pretrained(directory, dtype="float32")
    assert classifier.context_length == CONTEXT and classifier.num_labels == 2
    expected = expected_logits(directory, TEXTS)
    assert expected.std() > 0.1
    found = classifier.logits(TEXTS)
    assert found.shape == (len(TEXTS), 2) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-4)
    scores = classifier.score(TEXTS)
    assert scores.shape == (len(TEXTS),)
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-expected[:, 1])), atol=1e-4)


def test_company_and_order_change_nothing(directory: Path) -> None:
    classifier = contlm.Classifier.from_pretrained(directory)
    together = classifier.score(TEXTS)
    alone = np.concatenate([classifier.score([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(classifier.score(TEXTS[::-1]), together[::-1], atol=1e-5)
    np.testing.assert_array_equal(classifier.score(TEXTS[0]), classifier.score([TEXTS[0]]))


def test_many_texts(directory: Path) -> None:
    classifier = contlm.Classifier.from_pretrained(directory)
    texts = [TEXTS[i % len(TEXTS)][: 3 * i] for i in range(40)]
    expected = 1 / (1 + np.exp(-expected_logits(directory, texts)[:, 1]))
    np.testing.assert_allclose(classifier.score(texts), expected, atol=1e-4)


HEADS = [
    ({}, "sigmoid"),
    ({"problem_type": "multi_label_classification"}, "sigmoid"),
    ({"problem_type": "single_label_classification", "num_labels": 3}, "softmax"),
    ({"problem_type": "regression", "num_labels": 1}, "regression"),
    ({"num_labels": 1}, "regression"),
]


@pytest.mark.parametrize(("settings", "head"), HEADS, ids=lambda value: str(value))
def test_heads_go_by_the_problem_type(settings: dict, head: str, tmp_path: Path) -> None:
    folder = make_classifier(tmp_path / "c", **settings)
    classifier = contlm.Classifier.from_pretrained(folder)
    assert classifier.head == head
    logits = torch.from_numpy(expected_logits(folder, TEXTS)).double()
    expected = {
        "sigmoid": lambda: logits[:, 1].sigmoid(),
        "softmax": lambda: logits.softmax(-1)[:, 1],
        "regression": lambda: logits[:, 0],
    }[head]()
    np.testing.assert_allclose(classifier.score(TEXTS), expected.numpy(), atol=1e-4)
    assert classifier.score([]).shape == (0,)
    # the paper's score, whatever the checkpoint was trained as
    if classifier.num_labels > 1:
        paper = contlm.Classifier.from_pretrained(folder, head="sigmoid").score(TEXTS)
        np.testing.assert_allclose(paper, logits[:, 1].sigmoid().numpy(), atol=1e-4)


def test_a_thousand_texts_of_every_length() -> None:
    """The bundled sentiment classifier against transformers, padded batches of like lengths."""
    folder = zoo.classifier_path("sentiment")
    classifier = contlm.Classifier.from_pretrained(folder)
    words = zoo.heldout_text().split()
    rng = np.random.default_rng(0)
    lengths = np.concatenate([[0, 1, 2000, 700], rng.geometric(0.02, 996)])
    starts = rng.integers(0, len(words) - 2000, len(lengths))
    texts = [" ".join(words[s : s + n]) for s, n in zip(starts, lengths, strict=True)]
    model = transformers.RobertaForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32
    ).eval()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token="<pad>"
    )
    expected = np.zeros((len(texts), 2))
    order = np.argsort(lengths)
    for batch in np.array_split(order, 60):
        inputs = tokenizer(
            [texts[i] for i in batch],
            truncation=True,
            max_length=classifier.context_length,
            padding=True,
            return_tensors="pt",
            return_token_type_ids=False,
        )
        with torch.no_grad():
            expected[batch] = model(**inputs).logits.numpy()
    np.testing.assert_allclose(classifier.logits(texts), expected, atol=1e-4, rtol=1e-4)


def test_no_texts(directory: Path) -> None:
    classifier = contlm.Classifier.from_pretrained(directory)
    assert classifier.score([]).shape == (0,) and classifier.logits([]).shape == (0, 2)


def test_bfloat16_is_close(directory: Path) -> None:
    classifier = contlm.Classifier.from_pretrained(directory, dtype="bfloat16")
    expected = expected_logits(directory, TEXTS)
    assert np.abs(classifier.logits(TEXTS) - expected).max() < 0.1 * np.abs(expected).max()


def test_mistakes(directory: Path, tmp_path: Path) -> None:
    load = contlm.Classifier.from_pretrained
    with pytest.raises(FileNotFoundError, match="classifier: no directory"):
        load(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match=r"no config\.json"):
        load(tmp_path)
    classifier = load(directory)
    with pytest.raises(TypeError, match=r"texts\[1\]: must be a str, got int"):
        classifier.score(["a", 3])  # type: ignore[list-item]
    with pytest.raises(ValueError, match='head: must be "auto" or one of sigmoid, softmax'):
        load(directory, head="tanh")
    with pytest.raises(ValueError, match="a regression has one value, the classifier has 2"):
        load(directory, head="regression")
    make_classifier(tmp_path / "one", num_labels=1)
    config = json.loads((tmp_path / "one" / "config.json").read_text())
    config.update(model_type="bert", architectures=["BertForSequenceClassification"])
    (tmp_path / "one" / "config.json").write_text(json.dumps(config))
    with pytest.raises(contlm.CheckpointError, match=r"(?i)bert"):
        load(tmp_path / "one")
    (tmp_path / "one" / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no tokenizer\.json"):
        load(tmp_path / "one")
