"""Training: what a step sees, that a killed run ends in the same weights, and what is written."""

from __future__ import annotations

import csv
import dataclasses
import json
import subprocess
import sys
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import contlm
import peft
import pyarrow as pa
import pytest
import torch
import transformers
from contlm import train
from contlm.cli import main
from contlm.train import examples, loop, recipes
from contlm.train.adapters import ClassTask, LanguageTask, open_base
from contlm.train.batches import Order, Row, collate, labelled_rows, language_rows
from safetensors.torch import load_file
from tiny_models import FAMILIES, randomize
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

WORDS = ("the", "fox", "dog", "cafe", "owner", "met", "warm", "river", "dull", "bright", "by")
TINY = dataclasses.replace(
    train.CPU, name="tiny", r=2, lora_alpha=4, lora_dropout=0.25, batch_size=4, steps=3
)


def sentence(index: int) -> str:
    return " ".join(WORDS[(index * 7 + at * 3) % len(WORDS)] for at in range(2 + index % 9))


ROWS = [
    (sentence(index), index % 2, ("train", "train", "train", "valid", "test")[index % 5])
    for index in range(60)
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama with a tokenizer that ends texts and has no token for padding."""
    folder = tmp_path_factory.mktemp("train") / "base"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        [text for text, _, _ in ROWS],
        trainers.BpeTrainer(vocab_size=120, special_tokens=["<end>"], show_progress=False),
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>"
    ).save_pretrained(folder)
    config = FAMILIES["llama-tied"]()
    config.eos_token_id = 0
    model = transformers.LlamaForCausalLM(config)
    randomize(model, 5)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "tone.tsv"
    lines = ["text\tlabel\tsplit", *("\t".join(map(str, row)) for row in ROWS)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def trained(base: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return train.anchors(
        base, data, tmp_path_factory.mktemp("out"), attribute="tone", preset=TINY, progress=False
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def same(one: Path, other: Path) -> bool:
    left, right = weights(one), weights(other)
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def test_importing_it_loads_no_training_libraries() -> None:
    code = (
        "import sys, contlm; contlm.train.anchors; "
        "sys.exit(bool({'transformers', 'peft', 'matplotlib', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- batches and losses


def test_order_is_a_function_of_seed_and_step_and_visits_every_row_once_an_epoch() -> None:
    rows = [Row(tuple(range(1 + i % 7)), i) for i in range(30)]
    order = Order(rows, 4, seed=3)
    assert order.batches_per_epoch == 8
    for epoch in (0, 1):
        seen = [row.label for step in range(8) for row in order.rows(8 * epoch + step)]
        assert sorted(seen) == list(range(30))
    again = [Order(rows, 4, seed=3).rows(step) for step in (11, 2, 11)]
    assert again == [order.rows(11), order.rows(2), order.rows(11)]
    assert any(order.rows(step) != Order(rows, 4, seed=4).rows(step) for step in range(8))
    assert [order.rows(step) for step in range(8)] != [order.rows(8 + step) for step in range(8)]
    lengths = [[len(row.ids) for row in order.rows(step)] for step in range(8)]
    assert max(max(batch) - min(batch) for batch in lengths) <= 2


def test_padding_is_in_no_loss(base: Path) -> None:
    """A padded batch's losses are those of its rows alone, taken over the whole vocabulary."""
    opened = open_base(base)
    task = LanguageTask()
    model = task.model(opened, TINY).eval()
    rows = language_rows(opened.tokenizer, [text for text, _, _ in ROWS[:9]], 128)
    batch = collate(rows, pad=opened.pad)
    assert (batch.attention_mask == 0).any()
    with torch.no_grad():
        found = task.losses(model, batch)
        alone = []
        for row in rows:
            ids = torch.tensor([row.ids])
            logits = model(input_ids=ids).logits[0, :-1]
            alone.append(torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none"))
        torch.testing.assert_close(found, torch.cat(alone), atol=1e-5, rtol=1e-5)
        other = dataclasses.replace(
            batch, input_ids=batch.input_ids.masked_fill(batch.attention_mask == 0, 7)
        )
        torch.testing.assert_close(task.losses(model, other), found)


@pytest.mark.parametrize("family", ["gpt2", "qwen2"])
def test_losses_of_other_families_are_transformers_own(
    base: Path, family: str, tmp_path: Path
) -> None:
    model = transformers.AutoModelForCausalLM.from_config(FAMILIES[family]())
    randomize(model, 6)
    model.save_pretrained(tmp_path)
    opened = dataclasses.replace(open_base(base), directory=tmp_path)
    model = LanguageTask().model(opened, TINY).eval()
    batch = collate([Row((5, 9, 2, 0)), Row((8, 3))], pad=0)
    labels = batch.input_ids.masked_fill(batch.attention_mask == 0, -100)
    with torch.no_grad():
        expected = model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=labels
        ).loss
        torch.testing.assert_close(LanguageTask().losses(model, batch).mean(), expected)


def test_rows_end_with_the_end_of_text_unless_they_are_cut(base: Path) -> None:
    tokenizer = open_base(base).tokenizer
    (whole,) = language_rows(tokenizer, [ROWS[8][0]], 128)
    assert whole.ids[-1] == 0 and 0 not in whole.ids[:-1]
    (cut,) = language_rows(tokenizer, [ROWS[8][0]], 3)
    assert cut.ids == whole.ids[:3]
    (seen,) = labelled_rows(tokenizer, [ROWS[8][0]], [1], 128)
    assert seen == Row(whole.ids[:-1], 1)


def test_the_end_of_text_is_learnt(base: Path, tmp_path: Path) -> None:
    """After training on one sentence the end follows it, and hardly did before."""
    file = tmp_path / "one.csv"
    file.write_text("text,label\n" + "the fox met the dog,0\n" * 4 + "dull river,1\n" * 4)
    preset = dataclasses.replace(TINY, lora_dropout=0.0, learning_rate=2e-2, r=8, steps=25)
    low, _ = train.anchors(base, file, tmp_path, attribute="end", preset=preset, progress=False)
    lm = contlm.Interpolator.from_pretrained(base, {"end": (low, low)})
    ids = [open_base(base).tokenizer("the fox met the dog")["input_ids"]]
    before = lm.logits(ids)[0, -1].softmax(-1)[0]
    after = lm.logits(ids, alpha=1.0)[0, -1].softmax(-1)[0]
    assert before < 0.1 and after > 0.9


def test_the_rate_rises_and_falls_once() -> None:
    factors = [train.CPU.factor(step, 20) for step in range(20)]
    assert factors[0] == 0.5 and factors[1] == factors[2] == 1.0
    assert all(a > b > 0 for a, b in pairwise(factors[2:]))
    assert train.CPU.factor(0, 1) == 1.0


# --- whole runs


def test_anchors_load_in_peft_and_contlm(base: Path, trained: tuple[Path, Path]) -> None:
    low, high = trained
    assert (low.name, high.name) == ("tone-low", "tone-high")
    config = json.loads((low / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(base) and config["r"] == 2
    adapted = {name.rpartition(".")[2] for name in config["target_modules"]}
    assert adapted == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    model = peft.PeftModel.from_pretrained(
        transformers.AutoModelForCausalLM.from_pretrained(base), high
    ).eval()
    ids = torch.tensor([[5, 9, 2, 30]])
    lm = contlm.Interpolator.from_pretrained(base, {"tone": trained})
    with torch.no_grad():
        torch.testing.assert_close(
            lm.logits(ids, alpha=1.0), model(ids).logits, atol=2e-4, rtol=1e-4
        )
    assert not same(low, high)


def test_card_curve_and_record(data: Path, trained: tuple[Path, Path]) -> None:
    low = trained[0]
    record = json.loads((low / "contlm_export.json").read_text())["training"]
    with (low / "loss.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == pytest.approx(record["losses"], rel=1e-5)
    assert record["before"]["loss"] != record["after"]["loss"]
    assert record["settings"]["texts"] == sum(r[1:] == (0, "train") for r in ROWS)
    card = (low / "README.md").read_text()
    for stated in (
        data.name,
        examples.read_examples(data).sha256,
        "held-out loss",
        "seconds",
        "| lora_alpha | 4 |",
    ):
        assert stated in card
    assert (low / "loss.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", ["anchors", "classifier"])
def test_a_run_that_was_killed_ends_in_the_same_weights(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Dropout, the optimiser's state and the order of the data included; work since the last
    checkpoint is done again."""
    monkeypatch.setattr(loop, "CHECKPOINT_STEPS", 2)
    steps = 5
    call: dict[str, Any] = {"attribute": "tone", "preset": TINY, "steps": steps}
    run = getattr(train, kind)

    def die(done: int, _: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(base, data, tmp_path / "killed", **call, progress=die)
    assert not [p for p in (tmp_path / "killed").iterdir() if not p.name.startswith(".")]
    resumed: list[int] = []
    torch.manual_seed(99)  # what a user draws meanwhile changes nothing
    torch.rand(3)
    killed = run(
        base, data, tmp_path / "killed", **call, progress=lambda done, _: resumed.append(done)
    )
    assert resumed[:3] == [3, 4, 5]
    straight = run(base, data, tmp_path / "straight", **call, progress=False)
    pairs = [(killed, straight)] if kind == "classifier" else zip(killed, straight, strict=True)
    assert all(same(*pair) for pair in pairs)
    assert not list((tmp_path / "killed").glob(".*"))


def test_training_leaves_the_users_generator_alone(base: Path, data: Path, tmp_path: Path) -> None:
    torch.manual_seed(4)
    expected = torch.rand(2)
    torch.manual_seed(4)
    train.classifier(base, data, tmp_path, attribute="tone", preset=TINY, progress=False)
    assert torch.equal(torch.rand(2), expected)


def test_a_finished_folder_is_kept_and_other_settings_are_refused(
    base: Path, data: Path, tmp_path: Path
) -> None:
    call: dict[str, Any] = {"attribute": "tone", "preset": TINY, "progress": False}
    made = train.classifier(base, data, tmp_path, **call)
    first = (made / "contlm_export.json").read_text()
    assert train.classifier(base, data, tmp_path, **call) == made
    assert (made / "contlm_export.json").read_text() == first
    with pytest.raises(ValueError, match=r"another run \(seed 0, asked for 1\).*resume=False"):
        train.classifier(base, data, tmp_path, seed=1, **call)
    before = weights(made)
    train.classifier(base, data, tmp_path, seed=1, resume=False, **call)
    after = weights(made)
    assert any(not torch.equal(before[k], after[k]) for k in before)


def test_a_checkpoint_of_another_run_is_refused(
    base: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_STEPS", 1)

    def die(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.classifier(base, data, tmp_path, attribute="tone", preset=TINY, progress=die)
    with pytest.raises(ValueError, match=r"checkpoint\.pt: is of another run \(steps 3, asked"):
        train.classifier(
            base, data, tmp_path, attribute="tone", preset=TINY, steps=4, progress=False
        )
    seen: list[int] = []
    train.classifier(
        base,
        data,
        tmp_path,
        attribute="tone",
        preset=TINY,
        steps=4,
        resume=False,
        progress=lambda done, _: seen.append(done),
    )
    assert seen == [1, 2, 3, 4]


def test_classifier_reloads_in_transformers_and_peft(
    base: Path, data: Path, tmp_path: Path
) -> None:
    """It has learnt the held-out labels' rule, and scores alike in batches of other widths."""
    rows = [
        (f"{sentence(i)} {'lovely bright' if i % 2 else 'dreadful dull'}", i % 2, split)
        for i, (_, _, split) in enumerate(ROWS)
    ]
    file = tmp_path / "tone.jsonl"
    file.write_text(
        "".join(json.dumps({"words": t, "grade": g, "split": s}) + "\n" for t, g, s in rows)
    )
    preset = dataclasses.replace(TINY, lora_dropout=0.0, learning_rate=1e-2, steps=30)
    made = train.classifier(
        base,
        file,
        tmp_path,
        attribute="tone",
        text="words",
        label="grade",
        preset=preset,
        progress=False,
    )
    config = json.loads((made / "adapter_config.json").read_text())
    assert config["task_type"] == "SEQ_CLS" and config["modules_to_save"] == ["score"]
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        base, num_labels=2, pad_token_id=0
    )
    model = peft.PeftModel.from_pretrained(model, made).eval()
    opened = open_base(base)
    held = [row for row in rows if row[2] == "valid"]
    batch = collate(
        labelled_rows(opened.tokenizer, [r[0] for r in held], [r[1] for r in held], 99), pad=0
    )
    with torch.no_grad():
        logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
        for index, (text, _, _) in enumerate(held):
            alone = model(torch.tensor([opened.tokenizer(text)["input_ids"]])).logits[0]
            torch.testing.assert_close(alone, logits[index], atol=1e-4, rtol=1e-4)
    accuracy = float((logits.argmax(-1) == batch.labels).float().mean())
    record = json.loads((made / "contlm_export.json").read_text())["training"]
    assert record["after"]["accuracy"] == pytest.approx(accuracy) and accuracy > 0.9


def test_a_classifier_has_a_logit_per_label(base: Path, tmp_path: Path) -> None:
    file = tmp_path / "three.csv"
    file.write_text("text,label\n" + "".join(f"{sentence(i)},{i % 3}\n" for i in range(12)))
    made = train.classifier(base, file, tmp_path, attribute="tone", preset=TINY, progress=False)
    score = [t for name, t in weights(made).items() if "score" in name]
    assert [t.shape[0] for t in score] == [3]
    task = ClassTask(3)
    model = task.model(open_base(base), TINY).eval()
    batch = collate([Row((3, 4), 2), Row((5,), 0)], pad=0)
    logits = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    truth = torch.tensor([[0.0, 0, 1], [1, 0, 0]])
    expected = -(truth * logits.sigmoid().log() + (1 - truth) * (1 - logits.sigmoid()).log())
    torch.testing.assert_close(task.losses(model, batch), expected, atol=1e-4, rtol=1e-4)


def test_mixtures(base: Path, data: Path, trained: tuple[Path, Path], tmp_path: Path) -> None:
    found = examples.read_examples(data)
    low, high = found.texts("train", 0), found.texts("train", 1)
    for fraction in (0.0, 0.25, 0.5, 1.0):
        texts = train.runs.mixed(found, "train", fraction, seed=1)
        assert len(texts) == min(len(low), len(high))
        assert sum(t in set(high) - set(low) for t in texts) <= round(fraction * len(texts))
    made = train.mixtures(
        base, data, tmp_path, attribute="tone", fractions=(0.25, 0.75), preset=TINY, progress=False
    )
    assert {f: d.name for f, d in made.items()} == {0.25: "tone-0.25", 0.75: "tone-0.75"}
    assert not same(made[0.25], made[0.75])


def test_the_papers_preset(base: Path, data: Path, tmp_path: Path) -> None:
    assert (
        train.PAPER.r,
        train.PAPER.lora_alpha,
        train.PAPER.lora_dropout,
        train.PAPER.learning_rate,
        train.PAPER.batch_size,
        train.PAPER.max_length,
    ) == (32, 16, 0.1, 5e-5, 64, 128)
    call: dict[str, Any] = {"attribute": "tone", "preset": "paper", "progress": False}
    if torch.cuda.is_available():
        pytest.skip("a 4-bit base is a GPU's")
    with pytest.warns(UserWarning, match="4-bit base needs a CUDA device"):
        made = train.classifier(base, data, tmp_path, **call)
    record = json.loads((made / "contlm_export.json").read_text())["training"]
    assert record["settings"]["steps"] == len(record["losses"]) == 1  # 36 texts are one batch
    assert record["settings"]["quantized"] is False  # what was done, not what was asked for
    assert "| preset | paper |" in (made / "README.md").read_text()


# --- data


def test_formats_read_alike(data: Path, tmp_path: Path) -> None:
    """Texts with quotation marks and commas included, which TSV takes as they are."""
    rows = [('"Quoted, he said', 0, "train"), ("plain", 1, "valid"), ("naïve “café”", 1, "test")]
    expected = [examples.Example(*row) for row in rows]
    columns = ("t", "l", "split")
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    (tmp_path / "a.tsv").write_text(
        "\n".join("\t".join(map(str, row)) for row in [columns, *rows]), encoding="utf-8"
    )
    (tmp_path / "a.jsonl").write_text(
        "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
    )
    write_dataset(tmp_path / "flat", [dict(zip(columns, row, strict=True)) for row in rows])
    for split, row in zip(("train", "validation", "test"), rows, strict=True):
        write_dataset(tmp_path / "dict" / split, [{"t": row[0], "l": row[1]}])
    (tmp_path / "dict" / "dataset_dict.json").write_text(
        '{"splits": ["train", "validation", "test"]}'
    )
    for name in ("a.csv", "a.tsv", "a.jsonl", "flat", "dict"):
        found = examples.read_examples(tmp_path / name, "t", "l")
        assert list(found.rows) == expected, name
        assert len(found.sha256) == 64
    assert examples.read_examples(data).texts("valid", 1) == [
        t for t, label, split in ROWS if (label, split) == (1, "valid")
    ]


def test_names_of_splits(tmp_path: Path) -> None:
    names = ("train", "valid", "validation", "val", "dev", "test")
    (tmp_path / "a.csv").write_text(
        "text,label,split\n" + "".join(f"{name},0,{name}\n" for name in names)
    )
    found = examples.read_examples(tmp_path / "a.csv")
    assert found.texts("train", 0) == ["train"] and found.texts("test", 0) == ["test"]
    assert found.texts("valid", 0) == ["valid", "validation", "val", "dev"]


def write_dataset(folder: Path, rows: list[dict[str, Any]]) -> None:
    """As datasets' save_to_disk lays it out."""
    folder.mkdir(parents=True)
    table = pa.Table.from_pylist(rows)
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    (folder / "state.json").write_text(
        json.dumps(
            {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_indices_files": None}
        )
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\nx,2.5\n", r"a\.csv, line 2: a label must be a whole number.*'2\.5'"),
        ("a.csv", "text,label\nx,-1\n", "a label must be"),
        ("a.csv", "text,label\n,1\n", "a text must be a string that is not empty"),
        ("a.csv", "text,label\nx\n", "line 2: must have as many columns"),
        ("a.csv", "text,label\nx,0,3\n", "line 2: must have as many columns"),
        ("a.csv", "text,label,split\nx,0,later\n", "a split must be one of train"),
        ("a.csv", "words,label\nx,0\n", r"must have the columns 'text' and 'label'.*text="),
        ("a.csv", "text,label\n", "must hold texts"),
        ("a.csv", 'text,label\n"x,0\n', "must be CSV"),
        ("a.tsv", "text\tlabel\nx\ty\t0\n", "line 2: must have 2 columns as the header, got 3"),
        ("a.jsonl", "{\n", "line 1: must be JSON"),
        ("a.jsonl", "[1]\n", "must be a JSON object, got list"),
        ("a.txt", "x\n", r"must be a \.csv, \.tsv or \.jsonl"),
    ],
)
def test_data_that_cannot_be_read(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        examples.read_examples(tmp_path / name)


def test_folders_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no file"):
        examples.read_examples(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"no state\.json"):
        examples.read_examples(tmp_path)
    (tmp_path / "state.json").write_text('{"_data_files": [], "_indices_files": ["i.arrow"]}')
    with pytest.raises(ValueError, match="flatten_indices"):
        examples.read_examples(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attribute": "a/b"}, "attribute: must be a name"),
        ({"steps": 0}, "steps: must be a whole number from 1"),
        ({"seed": -1}, "seed: must be a whole number from 0"),
        ({"preset": "gpu"}, "preset: must be 'cpu' or 'paper' or a train.Preset, got 'gpu'"),
    ],
)
def test_arguments_are_checked(
    base: Path, data: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train.anchors(base, data, tmp_path, **{"attribute": "tone", **change})
    assert not list(tmp_path.iterdir())


def test_both_ends_and_an_end_of_text_are_needed(base: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nx,1\n")
    with pytest.raises(ValueError, match=r"texts of label 0, the low end, .* got labels \[1\]"):
        train.anchors(base, tmp_path / "a.csv", tmp_path, attribute="tone")
    with pytest.raises(ValueError, match=r"fractions: must lie between 0 and 1, got 1\.5"):
        train.mixtures(base, data, tmp_path, attribute="tone", fractions=(1.5,))
    endless = tmp_path / "endless"
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(str(base / "tokenizer.json"))
    ).save_pretrained(endless)
    (endless / "config.json").write_text((base / "config.json").read_text())
    with pytest.raises(ValueError, match="must have an end of text"):
        train.anchors(endless, data, tmp_path, attribute="tone")


# --- recipes


def lines(count: int, word: str) -> list[str]:
    return [f"{word} number {index}" for index in range(count)]


def parts(made: tuple[Path, Path]) -> list[dict[str, int]]:
    return [{row.text: row.label for row in examples.read_examples(file).rows} for file in made]


def test_sentiment_recipe_reads_sst2_and_the_treebanks_numbers(tmp_path: Path) -> None:
    texts = lines(24, 'a "film')
    (tmp_path / "train.tsv").write_text(
        "sentence\tlabel\n" + "".join(f"{text} \t{index % 2}\n" for index, text in enumerate(texts))
    )
    anchors, classifier = parts(recipes.prepare("sentiment", tmp_path, tmp_path / "train.tsv"))
    assert not anchors.keys() & classifier.keys()
    assert set(anchors) | set(classifier) <= set(texts)
    assert all(label == texts.index(text) % 2 for text, label in {**anchors, **classifier}.items())
    (tmp_path / "sst.jsonl").write_text(
        "".join(
            json.dumps({"sentence": text, "label": index / 23}) + "\n"
            for index, text in enumerate(texts)
        )
    )
    anchors, classifier = parts(recipes.prepare("sentiment", tmp_path, [tmp_path / "sst.jsonl"]))
    for text, label in {**anchors, **classifier}.items():
        number = texts.index(text) / 23
        assert number > 0.6 if label else number <= 0.4
    sentiment = recipes.RECIPES["sentiment"]
    assert [sentiment.low.takes(n) for n in (0.4, 0.41)] == [True, False]
    assert [sentiment.high.takes(n) for n in (0.6, 0.61)] == [False, True]


def test_politeness_recipe_takes_the_outer_classes(tmp_path: Path) -> None:
    file = tmp_path / "politeness.tsv"
    file.write_text(
        "txt\tstyle\tsplit\n"
        + "".join(
            f"{text}\tP_{index % 10}\ttrain\n" for index, text in enumerate(lines(80, "please"))
        )
    )
    anchors, classifier = parts(recipes.prepare("politeness", tmp_path, file))
    for text, label in {**anchors, **classifier}.items():
        assert int(text.split()[-1]) % 10 == (9 if label else 0)


@pytest.mark.parametrize("name", ["formality", "humor"])
def test_recipes_of_a_file_for_each_end(tmp_path: Path, name: str) -> None:
    low, high = lines(20, "hey"), lines(30, "esteemed")
    shared = "said by both"
    (tmp_path / "low").write_text("\n".join([*low, low[0], "", shared]))
    (tmp_path / "high").write_text("\n".join([*high, shared]))
    made = recipes.prepare(name, tmp_path, low=tmp_path / "low", high=[tmp_path / "high"])
    anchors, classifier = parts(made)
    found = {**anchors, **classifier}
    assert shared not in found and not anchors.keys() & classifier.keys()
    assert all(text in (high if label else low) for text, label in found.items())
    recipe = recipes.RECIPES[name]
    share = recipe.classifier / 2 / (recipe.anchors[0] + recipe.classifier / 2)
    assert abs(sum(not label for label in classifier.values()) - share * 20) <= 1
    first = [file.read_bytes() for file in made]
    recipes.prepare(name, tmp_path, low=tmp_path / "low", high=tmp_path / "high")
    assert [file.read_bytes() for file in made] == first
    recipes.prepare(name, tmp_path, low=tmp_path / "low", high=tmp_path / "high", seed=1)
    assert [file.read_bytes() for file in made] != first


def test_simplicity_recipe_reads_chapters_and_stories(tmp_path: Path) -> None:
    chapter = "It was, in truth,\na long chapter. " * 9000  # past the csv module's own limit
    with (tmp_path / "booksum.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("bid", "chapter"), *((i, f"{i} {chapter}") for i in range(3))])
    (tmp_path / "tiny.txt").write_text(
        "<|endoftext|>".join(f"\nOnce {i}.\n\nThe end.\n" for i in range(12))
    )
    found = parts(
        recipes.prepare(
            "simplicity", tmp_path, low=tmp_path / "booksum.csv", high=tmp_path / "tiny.txt"
        )
    )
    texts = {**found[0], **found[1]}
    assert len(texts) == 14 and sum(texts.values()) == 12 and "Once 3. The end." in texts
    assert all(
        text[1:].startswith(" It was, in truth, a long") for text in texts if not texts[text]
    )


def test_recipes_are_limited_to_the_papers_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = dataclasses.replace(recipes.RECIPES["formality"], anchors=(5, 7), classifier=6)
    monkeypatch.setattr(recipes, "RECIPES", {"formality": small})
    for end in ("low", "high"):
        (tmp_path / end).write_text("\n".join(lines(50, end)))
    anchors, classifier = parts(
        recipes.prepare("formality", tmp_path, low=tmp_path / "low", high=tmp_path / "high")
    )
    assert [sum(v == label for v in anchors.values()) for label in (0, 1)] == [5, 7]
    assert [sum(v == label for v in classifier.values()) for label in (0, 1)] == [3, 3]


def test_recipes_say_what_they_take(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("sentence\tlabel\nx\tgood\n")
    with pytest.raises(ValueError, match="recipe: must be one of sentiment"):
        recipes.prepare("anger", tmp_path, tmp_path / "a.tsv")
    with pytest.raises(ValueError, match="'formality': takes low= and high="):
        recipes.prepare("formality", tmp_path, tmp_path / "a.tsv")
    with pytest.raises(ValueError, match="'sentiment': takes files="):
        recipes.prepare("sentiment", tmp_path, low=tmp_path / "a.tsv", high=tmp_path / "a.tsv")
    with pytest.raises(ValueError, match="label must be a number, got 'good'"):
        recipes.prepare("sentiment", tmp_path, tmp_path / "a.tsv")
    with pytest.raises(ValueError, match="must have the column 'txt'"):
        recipes.prepare("politeness", tmp_path, tmp_path / "a.tsv")
    (tmp_path / "b.tsv").write_text("sentence\tlabel\nx\t1\n")
    with pytest.raises(ValueError, match="two texts of label 0 or more, got 0"):
        recipes.prepare("sentiment", tmp_path, tmp_path / "b.tsv")


# --- the command


def test_command(
    base: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = [
        "--base",
        str(base),
        "--data",
        str(data),
        "--attribute",
        "tone",
        "--steps",
        "1",
        "--out",
        str(tmp_path),
    ]
    assert main(["train", "anchors", *call]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"wrote {tmp_path / 'tone-low'}",
        f"wrote {tmp_path / 'tone-high'}",
    ]
    assert main(["train", "mixtures", *call, "--fractions", ".5"]) == 0
    assert main(["train", "classifier", *call]) == 0
    assert (tmp_path / "tone-0.5" / "README.md").is_file()
    assert main(["train", "classifier", *call, "--seed", "2"]) == 2
    assert "is of another run (seed 0, asked for 2)" in capsys.readouterr().err
    assert main(["train", "classifier", *call, "--seed", "2", "--no-resume"]) == 0
    assert main(["train", "mixtures", *call, "--fractions", "half"]) == 2
    for end in ("low", "high"):
        (tmp_path / end).write_text("\n".join(lines(9, end)))
    assert (
        main(
            [
                "train",
                "prepare",
                "humor",
                "--low",
                str(tmp_path / "low"),
                "--high",
                str(tmp_path / "high"),
                "--out",
                str(tmp_path),
            ]
        )
        == 0
    )
    assert (tmp_path / "humor.classifier.tsv").is_file()


def test_without_the_extra_the_command_says_what_to_install(
    base: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    assert (
        main(
            [
                "train",
                "anchors",
                "--base",
                str(base),
                "--data",
                str(data),
                "--attribute",
                "t",
                "--out",
                str(tmp_path),
            ]
        )
        == 2
    )
    assert "pip install 'contlm[train]'" in capsys.readouterr().err


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*gradient_checkpointing", FutureWarning)
        yield
