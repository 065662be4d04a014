"""The zoo: its grammar, its shipped files, its classifiers, and the figures that it states."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from contlm import Classifier, zoo
from tiny_world.corpora import (
    attribute_corpus,
    attribute_story,
    base_story,
    held_out_text,
    labelled_bodies,
    prompt_list,
    source,
)
from tiny_world.grammar import ATTRIBUTES, MAX_WORDS, MIN_WORDS, fix_articles, tell
from tiny_world.grammar_frames import all_keys, draw_frame
from tiny_world.grammar_voices import VOICES
from tiny_world.model_card import render
from tiny_world.recipe import Recipe

MAX_BYTES = 25_000_000
MIN_ACCURACY = 0.95


@pytest.fixture(scope="module")
def manifest() -> dict:
    return json.loads((zoo.path() / "world.json").read_text())


@pytest.fixture(scope="module")
def stories() -> list:
    rng = random.Random(7)
    return [base_story(rng) for _ in range(1500)]


def test_importing_the_zoo_needs_no_training_libraries() -> None:
    # contlm itself imports torch, so only what training adds can be told apart.
    code = (
        "import sys, contlm.zoo as z; z.prompts(); "
        "sys.exit(bool({'transformers', 'peft'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_same_seed_writes_the_same_stories() -> None:
    assert attribute_corpus(3, "humor", 0.5, 40) == attribute_corpus(3, "humor", 0.5, 40)
    assert attribute_corpus(3, "humor", 0.5, 40) != attribute_corpus(4, "humor", 0.5, 40)
    assert held_out_text(3, 5) == held_out_text(3, 5)


def test_stories_are_clean_english_on_the_surface(stories: list) -> None:
    for story in stories:
        text = story.text
        assert MIN_WORDS <= len(text.split()) <= MAX_WORDS
        assert not re.search(r"[\[\]{}<>|()]|  | [,.!?]|,,|\.\.|,\.", text), text
        assert text[-1] in '.!?"' and text[0].isupper(), text
        assert text.count('"') % 2 == 0, text
        assert fix_articles(text) == text, text
        for word, following in re.findall(r"(\w[.?]) (\w)", text):
            assert following.isupper(), (word, following, text)


def test_pronouns_fit_the_hero_and_never_the_friend(stories: list) -> None:
    for story in stories:
        wrong = r"\b(he|him|his)\b" if story.frame.hero_is_woman else r"\b(she|her)\b"
        # The woman at the gate and the friend's hat are the only others with a pronoun.
        body = re.sub(r"so hard that (his|her) hat|to her\b|She (wept|sang)\.", "", story.body)
        assert not re.search(wrong, body, re.IGNORECASE), story.text


def test_attributes_are_drawn_independently() -> None:
    rng = random.Random(1)
    levels = [base_story(rng).levels for _ in range(4000)]
    for one, other in combinations(ATTRIBUTES, 2):
        counts = Counter(
            (level[one], level[other])
            for level in levels
            if {level[one], level[other]} <= {"low", "high"}
        )
        total = sum(counts.values())
        assert len(counts) == 4
        assert all(abs(count / total - 0.25) < 0.05 for count in counts.values())


@pytest.mark.parametrize("attribute", [name for name in ATTRIBUTES if name in VOICES])
def test_a_voice_is_heard_only_at_its_own_level(attribute: str) -> None:
    def phrases(end: int) -> set[str]:
        every = [
            text
            for voices in VOICES[attribute][end].values()
            for texts in voices.values()
            for text in texts
        ]
        return {
            text.strip(", ")
            for text in every
            if not re.search(r"[\[\]{}|()]", text) and len(text.split()) > 2
        }

    rng = random.Random(2)
    for end, other in (("low", 1), ("high", 0)):
        for _ in range(150):
            text = attribute_story(rng, attribute, end).text.lower()
            assert not [phrase for phrase in phrases(other) if phrase.lower() in text]


def test_simplicity_shows_in_the_length_of_sentences() -> None:
    rng = random.Random(3)

    def words_a_sentence(level: str) -> float:
        bodies = [attribute_story(rng, "simplicity", level).body for _ in range(200)]
        return sum(len(x.split()) for x in bodies) / len(re.findall(r"[.!?]", " ".join(bodies)))

    assert words_a_sentence("high") < 6 < 8 < words_a_sentence("mid")
    assert words_a_sentence("mid") < 13 < words_a_sentence("low")


def test_every_combination_of_levels_can_be_told() -> None:
    rng = random.Random(4)
    for index in range(3 ** len(ATTRIBUTES)):
        levels = {
            name: ("low", "mid", "high")[index // 3**at % 3] for at, name in enumerate(ATTRIBUTES)
        }
        assert tell(draw_frame(rng), levels, rng).body


def test_held_out_frames_are_disjoint_and_a_steady_share() -> None:
    rng = random.Random(5)
    training = {draw_frame(rng).key for _ in range(3000)}
    held_out = {draw_frame(rng, held_out=True).key for _ in range(3000)}
    assert not training & held_out
    keys = [frame.held_out for frame in all_keys()]
    assert 0.10 < sum(keys) / len(keys) < 0.15
    assert all(
        story.frame.held_out for story in (base_story(rng, held_out=True) for _ in range(50))
    )


def test_openings_do_not_depend_on_levels() -> None:
    frame = draw_frame(random.Random(6))
    texts = {
        tell(frame, {name: level}, random.Random(9)).opening
        for name in ATTRIBUTES
        for level in ("low", "mid", "high")
    }
    assert len(texts) == 1


def test_purposes_have_their_own_random_sources() -> None:
    assert source(1, "prompts").random() != source(1, "held out").random()


def test_prompts_are_short_and_different() -> None:
    prompts = zoo.prompts()
    assert len(set(prompts)) == len(prompts) >= 64
    assert all(5 <= len(prompt.split()) <= 13 and prompt.endswith(".") for prompt in prompts)


def test_shipped_texts_are_what_the_grammar_writes(manifest: dict) -> None:
    seed, recipe = manifest["seed"], Recipe()
    assert zoo.prompts() == prompt_list(seed, recipe.prompts)
    assert zoo.heldout_text() == held_out_text(seed, recipe.held_out_stories)


def test_shipped_files_are_small_and_complete(manifest: dict) -> None:
    files = [file for file in zoo.path().rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < MAX_BYTES
    assert {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    } <= {file.name for file in zoo.base_path().iterdir()}
    assert list(zoo.adapter_pairs()) == list(manifest["attributes"]) == list(ATTRIBUTES)
    for pair in zoo.adapter_pairs().values():
        for directory in pair:
            assert {file.name for file in directory.iterdir()} == {
                "adapter_config.json",
                "adapter_model.safetensors",
            }
    for name, size in manifest["bytes"].items():
        part = zoo.path() / name
        assert size == sum(file.stat().st_size for file in part.rglob("*") if file.is_file())


def test_adapters_are_plain_lora_and_name_no_machine_path() -> None:
    for pair in zoo.adapter_pairs().values():
        for directory in pair:
            config = json.loads((directory / "adapter_config.json").read_text())
            assert config["base_model_name_or_path"] == "contlm-zoo-base"
            assert config["peft_type"] == "LORA" and config["bias"] == "none"
            assert config["modules_to_save"] is None and not config["use_dora"]
            assert len(config["target_modules"]) == 7
    for file in zoo.path().rglob("*.json"):
        if file.name != "tokenizer.json":
            assert not re.search(r'"[^"]*/(home|root|tmp|work|usr)/', file.read_text()), file


def test_weights_are_bfloat16() -> None:
    for file in zoo.path().rglob("*.safetensors"):
        with file.open("rb") as handle:
            header = json.loads(handle.read(int.from_bytes(handle.read(8), "little")))
        kinds = {entry["dtype"] for name, entry in header.items() if name != "__metadata__"}
        assert kinds == {"BF16"}, file


def test_tokenizers_add_their_special_tokens() -> None:
    from tokenizers import Tokenizer

    base = Tokenizer.from_file(str(zoo.base_path() / "tokenizer.json"))
    assert base.encode("Nora went home.").tokens[0] == "<bos>"
    assert base.decode(base.encode('Naïve "tests", 42!').ids) == 'Naïve "tests", 42!'
    for attribute in ATTRIBUTES:
        one = Tokenizer.from_file(str(zoo.classifier_path(attribute) / "tokenizer.json"))
        tokens = one.encode("Nora went home.").tokens
        assert tokens[0] == "<s>" and tokens[-1] == "</s>" and one.token_to_id("<pad>") == 1


def test_an_unknown_attribute_is_named_in_the_error() -> None:
    with pytest.raises(ValueError, match="got 'sarcasm'"):
        zoo.classifier_path("sarcasm")


def test_the_zoo_loads_as_an_interpolator() -> None:
    lm = zoo.load()
    assert tuple(lm.attributes) == ATTRIBUTES


def test_the_model_card_states_the_manifest(manifest: dict) -> None:
    assert (zoo.path() / "MODEL_CARD.md").read_text() == render(manifest)


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_scores_rise_with_alpha(attribute: str) -> None:
    """Measured on fresh texts."""
    lm, alphas = zoo.load(), (0.0, 0.25, 0.5, 0.75, 1.0)
    classifier = Classifier.from_pretrained(zoo.classifier_path(attribute))
    prompts = zoo.prompts()[:24]
    measured = [
        classifier.score(
            lm.generate(
                prompts, alpha={attribute: a}, num_return_sequences=2, max_new_tokens=40, seed=11
            ).texts
        ).mean()
        for a in alphas
    ]
    assert measured == sorted(measured)
    assert measured[0] < 0.25 and measured[-1] > 0.75


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_classifiers_judge_held_out_text(attribute: str, manifest: dict) -> None:
    pytest.importorskip("transformers")
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    directory = zoo.classifier_path(attribute)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32)
    texts = labelled_bodies(manifest["seed"] + 1, attribute, 300, None)
    batch = tokenizer(
        [text.text for text in texts], return_tensors="pt", padding=True, truncation=True
    )
    with torch.inference_mode():
        scores = torch.sigmoid(model.eval()(**batch).logits[:, 1])
    truth = torch.tensor([text.target for text in texts])
    assert float(((scores > 0.5) == (truth > 0.5)).float().mean()) > MIN_ACCURACY
    assert manifest["attributes"][attribute]["accuracy"]["story"] > MIN_ACCURACY


def test_transformers_and_peft_load_the_files() -> None:
    pytest.importorskip("peft")
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(zoo.base_path())
    model = AutoModelForCausalLM.from_pretrained(zoo.base_path(), dtype=torch.float32)
    low, high = zoo.adapter_pairs()["sentiment"]
    model = PeftModel.from_pretrained(model, low, adapter_name="low")
    model.load_adapter(high, adapter_name="high")
    batch = tokenizer(zoo.prompts()[0], return_tensors="pt")
    assert batch["input_ids"][0, 0] == tokenizer.bos_token_id
    logits = {}
    for name in ("low", "high"):
        model.set_adapter(name)
        with torch.inference_mode():
            logits[name] = model(input_ids=batch["input_ids"]).logits
    assert not torch.allclose(logits["low"], logits["high"])


@pytest.mark.slow
def test_the_quick_build_really_trains(tmp_path: Path) -> None:
    out = tmp_path / "zoo"
    # One thread: the toy models are too small to gain from two, and lose much on a busy machine.
    where = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent / "worlds")}
    subprocess.run(
        [
            sys.executable,
            "-m",
            "tiny_world.build",
            "--quick",
            "--seed",
            "5",
            "--threads",
            "1",
            "--out",
            str(out),
        ],
        check=True,
        env=where,
    )
    built = json.loads((out / "world.json").read_text())
    assert built["seed"] == 5 and set(built["attributes"]) == set(ATTRIBUTES)
    # An untrained model of this vocabulary stands at a perplexity of 768.
    assert built["perplexity"]["story"] < 200
    assert not list(out.rglob(".*"))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "tiny_world.custom",
            "--quick",
            "--attribute",
            "humor",
            "--threads",
            "1",
            "--base",
            str(out / "base"),
            "--out",
            str(tmp_path / "custom"),
        ],
        check=True,
        env=where,
    )
    assert {file.name for file in (tmp_path / "custom").iterdir()} == {
        f"humor-{fraction}" for fraction in ("0", "0.25", "0.5", "0.75", "1")
    }
