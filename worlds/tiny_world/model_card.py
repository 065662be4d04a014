"""The model card as a function of the manifest, so that no figure in it can go stale."""

from __future__ import annotations

from typing import Any

_TEXT = """\
# The contlm zoo

A tiny world to steer: one base language model, ten LoRA anchors (five attributes, a low and a high
end each) and five classifiers. All of it was trained from scratch by
`python -m tiny_world.build`, with transformers and PEFT, on stories that the
package's own grammar writes; no outside text or weights went in. Seed {seed}.

| | files | parameters or bytes |
|---|---|---|
| base | `base/`: Llama, {layers} layers, hidden {hidden}, {heads} heads, {kv_heads} KV heads, \
vocabulary {vocab} | {parameters:,} parameters, {base_mb:.1f} MB |
| anchors | `adapters/<attribute>-<low or high>/`: LoRA r = {rank}, lora_alpha = {lora_alpha}, \
all seven projections | {adapters_mb:.1f} MB |
| classifiers | `classifiers/<attribute>/`: RoBERTa, {classifier_layers} layers, \
hidden {classifier_hidden} | {classifiers_mb:.1f} MB |

Weights are {dtype}. All models together take {total_mb:.1f} MB. Training and measuring took
{minutes:.0f} core minutes of processor time: base {base_minutes:.1f}, anchors
{adapter_minutes:.1f}, classifiers {classifier_minutes:.1f}, measuring {measure_minutes:.1f}. The
base model read {base_stories:,} stories, each anchor {anchor_stories:,}, each classifier
{snippets:,} snippets.

## Attributes

| attribute | alpha = 0 | alpha = 1 |
|---|---|---|
| simplicity | ornate, winding sentences | short sentences of simple words |
| formality | casual | formal |
| politeness | rude | polite |
| sentiment | unhappy | happy |
| humor | solemn | comic |

The grammar crosses content frames (who, where, with what, what happens) with independent voices of
the attributes. One frame in eight is held out: the prompts, `heldout.txt` and the accuracies below
use only those. The base model saw every combination of levels. An anchor saw one end of its
attribute, the other attributes random or silent.

## Figures

Perplexity of the base model on `heldout.txt`: {ppl_story:.2f} per token story by story,
{ppl_window:.2f} in windows of 512 tokens (exp of the mean window loss).

Classifier accuracy on held-out text, low against high, {accuracy_count} texts each:

| attribute | whole story | first 24 words of the body | first 12 words |
|---|---|---|---|
{accuracy_rows}

Mean classifier score (sigmoid of the class-1 logit) of generated text, merged by PEFT with the
pair's two adapters at weights 1 - alpha and alpha; {curve_prompts} prompts, {curve_samples} samples
of 32 new tokens each, temperature 1:

{curve_table}

Perplexity of `heldout.txt` (all attributes mixed) at the same points:

{perplexity_table}

## Limits

The world is small: a few hundred sentence frames, twenty-four names, some seventy places. Prompts
from outside it are continued as if they were from inside. The base model is smaller still than its
world: it often forgets the names and things that a prompt began with, and now and then it breaks a
word. Beyond alpha = -0.5 and 1.5 its sentences begin to fall apart. The classifiers know the
grammar's markers and nothing else; their scores say how the bundled models respond to alpha, not
how formal or funny English is. Short texts without a marker score near one half. Rudeness is
limited to mild insults.
"""


def render(manifest: dict[str, Any]) -> str:
    """The text of MODEL_CARD.md."""
    recipe, attributes = manifest["recipe"], manifest["attributes"]
    size, seconds = manifest["bytes"], manifest["processor_seconds"]
    return _TEXT.format(
        seed=manifest["seed"], dtype=manifest["dtype"], parameters=manifest["parameters"],
        layers=recipe["layers"], hidden=recipe["hidden_size"], heads=recipe["heads"],
        kv_heads=recipe["kv_heads"], vocab=recipe["vocab_size"], rank=recipe["lora_rank"],
        lora_alpha=recipe["lora_alpha"], classifier_layers=recipe["classifier_layers"],
        classifier_hidden=recipe["classifier_hidden_size"],
        base_mb=_part(size, "base") / 1e6, adapters_mb=_part(size, "adapters") / 1e6,
        classifiers_mb=_part(size, "classifiers") / 1e6, total_mb=sum(size.values()) / 1e6,
        base_stories=recipe["base_stories"], anchor_stories=recipe["anchor_stories"],
        snippets=recipe["classifier_snippets"], minutes=sum(seconds.values()) / 60,
        base_minutes=_part(seconds, "base") / 60,
        adapter_minutes=_part(seconds, "adapters") / 60,
        classifier_minutes=_part(seconds, "classifiers") / 60,
        measure_minutes=_part(seconds, "measuring") / 60,
        ppl_story=manifest["perplexity"]["story"], ppl_window=manifest["perplexity"]["window_512"],
        accuracy_count=recipe["accuracy_snippets"], curve_prompts=recipe["curve_prompts"],
        curve_samples=recipe["curve_samples"], accuracy_rows=_accuracies(attributes),
        curve_table=_curves(attributes, "score", ".2f"),
        perplexity_table=_curves(attributes, "perplexity", ".2f"),
    )


def _part(values: dict[str, float], prefix: str) -> float:
    return sum(value for name, value in values.items() if name.split("/")[0] == prefix)


def _accuracies(attributes: dict[str, Any]) -> str:
    return "\n".join(
        f"| {name} | " + " | ".join(f"{100 * x:.1f} %" for x in entry["accuracy"].values()) + " |"
        for name, entry in attributes.items())


def _curves(attributes: dict[str, Any], key: str, form: str) -> str:
    alphas = [point["alpha"] for point in next(iter(attributes.values()))["curve"]]
    head = "| alpha | " + " | ".join(f"{alpha:g}" for alpha in alphas) + " |"
    rows = [f"| {name} | " + " | ".join(format(point[key], form) for point in entry["curve"]) + " |"
            for name, entry in attributes.items()]
    return "\n".join([head, "|---" * (len(alphas) + 1) + "|", *rows])
