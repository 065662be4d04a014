"""Corpora drawn from the story grammar: for the base model, the anchors, the classifiers and the
checks."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tiny_world.grammar import ATTRIBUTES, Level, Story, opening, tell
from tiny_world.grammar_frames import draw_frame

STORY_SEPARATOR = "\n\n"
"""Between the stories of a longer text; the base model sees such texts, so long windows are
familiar."""

SHORTEST_SNIPPET = 6
LONGEST_SNIPPET = 100


@dataclass(frozen=True)
class Snippet:
    """A piece of a story and how high its attribute stands: 0, 1, or .5 where it is silent."""

    text: str
    target: float


def source(seed: int, purpose: str) -> random.Random:
    """A random source of its own for every purpose, so that no corpus depends on another's
    length."""
    return random.Random(f"{seed}/{purpose}")


def _draw_level(rng: random.Random, weights: dict[Level, float]) -> Level:
    return rng.choices(tuple(weights), tuple(weights.values()))[0]


_BASE: dict[Level, float] = {"low": 0.3, "mid": 0.27, "high": 0.3, "mixed": 0.13}
_BACKGROUND: dict[Level, float] = {"low": 0.16, "mid": 0.52, "high": 0.16, "mixed": 0.16}


def base_story(rng: random.Random, held_out: bool = False) -> Story:
    """A story with all attributes at independent random levels; half of the stories focus on
    one."""
    levels = {name: _draw_level(rng, _BASE) for name in ATTRIBUTES}
    focus = rng.choice(ATTRIBUTES) if rng.random() < 0.5 else None
    return tell(draw_frame(rng, held_out), levels, rng, focus)


def attribute_story(rng: random.Random, attribute: str, level: Level, held_out: bool = False,
                    focus: bool = True) -> Story:
    """A story at one level of one attribute, the others random and often silent."""
    levels = {name: _draw_level(rng, _BACKGROUND) for name in ATTRIBUTES}
    levels[attribute] = level
    return tell(draw_frame(rng, held_out), levels, rng, attribute if focus else None)


def base_corpus(seed: int, count: int) -> list[str]:
    rng = source(seed, "base")
    return [base_story(rng).text for _ in range(count)]


def attribute_corpus(seed: int, attribute: str, high_fraction: float, count: int) -> list[str]:
    """Stories of which a fraction is high and the rest low: 0 and 1 train the anchors."""
    rng = source(seed, f"attribute/{attribute}/{high_fraction}")
    return [
        attribute_story(rng, attribute, "high" if rng.random() < high_fraction else "low").text
        for _ in range(count)
    ]


def snippet(rng: random.Random, story: Story, target: float) -> Snippet:
    """A piece of the story: the whole, a beginning of the body (as models continue it), or any run
    of words."""
    kind = rng.random()
    if kind < 0.1:
        return Snippet(story.text, target)
    words = (story.text if kind < 0.4 else story.body).split()
    length = rng.randint(SHORTEST_SNIPPET, min(LONGEST_SNIPPET, len(words)))
    last_start = max(0, len(words) - length)
    if kind < 0.2:
        # The opening has no colour, so a snippet that starts there must reach well past it.
        length = min(len(words), length + len(story.opening.split()) + SHORTEST_SNIPPET)
        start = 0
    else:
        start = 0 if kind > 0.8 else rng.randint(0, last_start)
    return Snippet(" ".join(words[start:start + length]), target)


def classifier_corpus(seed: int, attribute: str, count: int, held_out: bool = False
                      ) -> list[Snippet]:
    """Snippets for one attribute's classifier: two fifths low, two fifths high, one fifth
    silent."""
    rng = source(seed, f"classifier/{attribute}/{held_out}")
    snippets: list[Snippet] = []
    for index in range(count):
        level: Level = ("low", "high", "low", "high", "mid")[index % 5]
        story = attribute_story(rng, attribute, level, held_out, focus=rng.random() < 0.7)
        if index % 3 == 0:
            levels = {name: _draw_level(rng, _BASE) for name in ATTRIBUTES} | {attribute: level}
            story = tell(draw_frame(rng, held_out), levels, rng)
        snippets.append(snippet(rng, story, {"low": 0.0, "high": 1.0, "mid": 0.5}[level]))
    return snippets


def labelled_bodies(seed: int, attribute: str, count: int, words: int | None) -> list[Snippet]:
    """Held-out low and high stories, cut to the first ``words`` words of the body (None: whole
    story)."""
    rng = source(seed, f"labelled/{attribute}/{words}")
    out: list[Snippet] = []
    for index in range(count):
        story = attribute_story(rng, attribute, ("low", "high")[index % 2], held_out=True,
                                focus=rng.random() < 0.7)
        text = story.text if words is None else " ".join(story.body.split()[:words])
        out.append(Snippet(text, float(index % 2)))
    return out


def prompt_list(seed: int, count: int) -> list[str]:
    """Different openings of held-out frames."""
    rng = source(seed, "prompts")
    prompts: dict[str, None] = {}
    while len(prompts) < count:
        text = opening(draw_frame(rng, held_out=True), rng)
        if 6 <= len(text.split()) <= 13:
            prompts[text] = None
    return list(prompts)


def held_out_text(seed: int, count: int) -> str:
    """Stories of held-out frames at random levels, for perplexity."""
    rng = source(seed, "held out")
    return STORY_SEPARATOR.join(base_story(rng, held_out=True).text for _ in range(count)) + "\n"
