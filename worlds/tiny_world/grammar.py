"""Short stories from content frames and the independent voices of five attributes.

A story is an opening that no attribute colours (the prompt) and a body. Each beat of the frame's
scene is told in the style that simplicity asks for; every other attribute that is not silent adds
its voice to most sentences and, when the story *focuses* on it, to all. Everything is drawn from
the ``random.Random`` that the caller gives.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tiny_world.grammar_frames import Frame
from tiny_world.grammar_scenes import Beat
from tiny_world.grammar_voices import FILLERS, VOICES, Place, Style
from tiny_world.grammar_words import (
    DICTION,
    OPENINGS,
    ORNAMENT,
    ORNATE_ADJECTIVES,
    ORNATE_ASIDES,
    ORNATE_LEADS,
    ORNATE_TAILS,
)

ATTRIBUTES: Final = ("simplicity", "formality", "politeness", "sentiment", "humor")

Level = Literal["low", "mid", "high", "mixed"]
"""``mid`` is silent (or the plain style); ``mixed`` draws low, mid or high anew at every turn."""

MIN_WORDS: Final = 35
MAX_WORDS: Final = 110
_STYLES: Final[dict[Level, Style]] = {"low": "ornate", "mid": "plain", "high": "simple"}
_COLUMNS: Final[dict[Level, int]] = {"low": 0, "mid": 1, "high": 2}
_BEATS: Final[dict[Style, int]] = {"simple": 3, "plain": 2, "ornate": 1}
_TELLINGS: Final = 100
_VOICE_CHANCE: Final = 0.55
_LATE_CHANCE: Final = 0.9
_BESIDE_FOCUS_CHANCE: Final = 0.35
_LOWERED: Final = ("The", "There", "They", "It", "A", "An", "Some", "He", "She")

_CONTRACTIONS: Final = (
    ("did not", "didn't"), ("do not", "don't"), ("could not", "couldn't"), ("was not", "wasn't"),
    ("were not", "weren't"), ("would not", "wouldn't"), ("I am", "I'm"), ("You are", "You're"),
    ("you are", "you're"), ("it is", "it's"), ("that is", "that's"),
)


@dataclass(frozen=True)
class Story:
    """A story: its neutral opening sentence, its body, and the levels that the body was told at."""

    frame: Frame
    levels: Mapping[str, Level]
    opening: str
    body: str

    @property
    def text(self) -> str:
        return f"{self.opening} {self.body}"


@dataclass
class _Sentence:
    """A clause under construction and what is attached before and behind it."""

    core: str
    leads: list[str] = field(default_factory=list)
    tails: list[str] = field(default_factory=list)

    @property
    def open_to_attachments(self) -> bool:
        """Several sentences in one core leave nothing to attach to."""
        return not re.search(r"[.?!] ", self.core)

    @property
    def about_hero(self) -> bool:
        """Only then is the hero the one whom a participle or a manner describes."""
        return self.core.startswith("{N} ") and not self.core.startswith("{N} and {F}")

    def text(self) -> str:
        core = self.core
        first = core.split(" ", 1)[0]
        if self.leads and first in _LOWERED:
            core = core[0].lower() + core[1:]
        lead = "".join(f"{x} " if x.endswith((" that", ":")) else f"{x}, " for x in self.leads)
        tail = "".join(x if x.startswith(",") else f" {x}" for x in self.tails)
        return f"{lead}{core}{tail}"


class _Teller:
    """Tells one story; holds the drawn levels and the random source."""

    def __init__(self, frame: Frame, levels: Mapping[str, Level], rng: random.Random,
                 focus: str | None) -> None:
        self.frame = frame
        self.levels = levels
        self.rng = rng
        self.focus = focus
        self.heard: set[str] = set()
        self.told: set[str] = set()

    def body(self) -> str:
        """Some beats in their order, then the ending."""
        scene = self.frame.content
        style = self.style()
        count = min(len(scene.beats), _BEATS[style] + self.rng.randrange(2))
        parts = [self.beat(beat, style if self.levels["simplicity"] != "mixed" else self.style())
                 for beat in scene.beats[:count]]
        ending = scene.endings[_COLUMNS[self.level("sentiment")]]
        parts.append(self.beat(ending, self.style()))
        return " ".join(parts)

    def level(self, attribute: str) -> Level:
        level = self.levels[attribute]
        return self.rng.choice(("low", "mid", "high")) if level == "mixed" else level

    def style(self) -> Style:
        return _STYLES[self.level("simplicity")]

    def beat(self, beat: Beat, style: Style) -> str:
        """One beat with the voices that fall on it, as one or more finished sentences."""
        core = self.fresh(beat.simple if style == "simple" else beat.plain)
        sentence = _Sentence(core)
        extra: list[str] = []
        order = self.rng.sample(tuple(VOICES), len(VOICES))
        # The focus comes first, so that it finds a place near the beginning of the beat.
        for attribute in sorted(order, key=lambda name: name != self.focus):
            level = self.level(attribute)
            if level != "mid" and self.speaks(attribute):
                self.voice(attribute, level, style, sentence, extra)
        if not extra and not sentence.leads and not sentence.tails and self.rng.random() < 0.6:
            extra.append(self.fresh(FILLERS[style]))
        if style == "ornate" and (self.focus in (None, "simplicity") or self.rng.random() < 0.6):
            self.adorn(sentence)
        main = sentence.text()
        at = self.rng.randrange(len(extra) + 1) if self.rng.random() < 0.5 else 0
        extra.insert(at, main)
        return " ".join(self.finish(text, style) for text in extra)

    def speaks(self, attribute: str) -> bool:
        """The focus speaks in every beat, beside it the others rarely; with none all do often."""
        if self.focus is not None:
            chance = 1.0 if attribute == self.focus else _BESIDE_FOCUS_CHANCE
        else:
            chance = _VOICE_CHANCE if attribute in self.heard or not self.heard else _LATE_CHANCE
        if self.rng.random() >= chance:
            return False
        self.heard.add(attribute)
        return True

    def voice(self, attribute: str, level: Level, style: Style, sentence: _Sentence,
              extra: list[str]) -> None:
        voices = VOICES[attribute][0 if level == "low" else 1][style]
        places: list[Place] = ["full"]
        tails = 2 if style == "ornate" else 1
        if sentence.open_to_attachments and (attribute == "formality" or sentence.about_hero):
            if not sentence.leads:
                places.append("lead")
            if len(sentence.tails) < tails:
                places.append("tail")
        place = self.rng.choice(places)
        text = self.fresh(voices[place])
        if place == "lead":
            sentence.leads.append(text)
        elif place == "tail":
            # Behind a longer clause a bare phrase would seem to describe its last noun.
            bare = style == "simple" or text.startswith((",", "and "))
            sentence.tails.append(text if bare else ", " + text)
        else:
            extra.append(text)

    def adorn(self, sentence: _Sentence) -> None:
        """Ornate prose needs at least one long clause of its own, wherever there is room."""
        if not sentence.open_to_attachments:
            return
        rooms = ["tail"] if len(sentence.tails) < 2 else []
        if not sentence.leads:
            rooms.append("lead")
        if sentence.about_hero:
            rooms += ["aside", "aside"]
        room = self.rng.choice(rooms) if rooms else "none"
        if room == "lead":
            sentence.leads.append(self.fresh(ORNATE_LEADS))
        elif room == "aside":
            aside = self.fresh(ORNATE_ASIDES)
            sentence.core = sentence.core.replace("{N} ", "{N}, " + aside + ", ", 1)
        elif room == "tail":
            sentence.tails.append(", " + self.fresh(ORNATE_TAILS))

    def fresh(self, options: tuple[str, ...]) -> str:
        """A template that this story has not used yet, where one is left."""
        unused = [x for x in options if x not in self.told] or list(options)
        choice = self.rng.choice(unused)
        self.told.add(choice)
        return choice

    def finish(self, template: str, style: Style) -> str:
        """Fill every slot and settle articles, contractions, capitals and the final point."""
        text = re.sub(r"\(([^()]*)\)", lambda m: self.rng.choice(m[1].split("|")), template)
        text = re.sub(r"<(\w+)> ?", lambda m: self.ornament(m[1], style), text)
        text = re.sub(r"\[([\w ]+)\]", lambda m: self.diction(m[1]), text)
        text = self.people(text)
        column = _COLUMNS[self.level("formality")]
        if column == 0 or (column == 1 and self.rng.random() < 0.5):
            for long, short in _CONTRACTIONS:
                text = re.sub(rf"\b{long}\b", short, text)
        text = re.sub(r"\s+", " ", text).replace(" ,", ",").replace(",,", ",").strip()
        text = re.sub(r"(?<=\w[.?!] )[a-z]", lambda m: m[0].upper(), text)
        return close_sentence(capitalise(fix_articles(text)))

    def ornament(self, key: str, style: Style) -> str:
        if key == "o":
            return self.rng.choice(ORNATE_ADJECTIVES) + " " if style == "ornate" else ""
        return self.rng.choice(ORNAMENT[key][1 if style == "ornate" else 0]) + " "

    def diction(self, key: str) -> str:
        return self.rng.choice(DICTION[key][_COLUMNS[self.level("formality")]])

    def people(self, text: str) -> str:
        frame = self.frame
        she, her = ("she", "her") if frame.hero_is_woman else ("he", "his")
        subject = frame.hero if self.rng.random() < 0.35 else she
        words = {
            "N": subject, "H": frame.hero, "F": frame.friend, "he": she, "his": her,
            "him": "her" if frame.hero_is_woman else "him",
            "fhis": "his" if frame.hero_is_woman else "her",
            "place": frame.place, "thing": frame.thing,
        }
        return re.sub(r"\{(\w+)\}", lambda m: words[m[1]], text)


def tell(frame: Frame, levels: Mapping[str, Level], rng: random.Random,
         focus: str | None = None) -> Story:
    """The story of ``frame`` at ``levels`` (attributes not named are ``mid``).

    A story shorter than ``MIN_WORDS`` or longer than ``MAX_WORDS`` is told anew, as long as there
    is hope: in the simple style a few frames have too little to say.
    """
    full: dict[str, Level] = {name: levels.get(name, "mid") for name in ATTRIBUTES}
    for _ in range(_TELLINGS):
        story = Story(frame, full, opening(frame, rng), _Teller(frame, full, rng, focus).body())
        if MIN_WORDS <= len(story.text.split()) <= MAX_WORDS:
            break
    return story


def opening(frame: Frame, rng: random.Random) -> str:
    """A first sentence that no attribute colours."""
    template = rng.choice(OPENINGS)
    goal = frame.content.goal.format(thing=frame.thing)
    return template.format(Time=capitalise(frame.time), time=frame.time, A=frame.hero,
                           B=frame.friend, place=frame.place, goal=goal)


def capitalise(text: str) -> str:
    """Raise the first letter, past an opening quotation mark."""
    at = 1 if text.startswith('"') else 0
    return text[:at] + text[at:at + 1].upper() + text[at + 1:]


def close_sentence(text: str) -> str:
    """End with a point, inside a closing quotation mark, unless some end is there."""
    if text.endswith(('."', '?"', '!"', ".", "?", "!")):
        return text
    return text[:-1] + '."' if text.endswith('"') else text + "."


def fix_articles(text: str) -> str:
    """``a`` or ``an`` by the sound of what follows."""

    def article(match: re.Match[str]) -> str:
        word = match[2].lower()
        vowel = word[0] in "aeiou" and not word.startswith(("one", "uni", "use"))
        vowel = vowel or word.startswith(("hour", "honest", "honor"))
        return ("A" if match[1][0] == "A" else "a") + ("n" if vowel else "") + " " + match[2]

    return re.sub(r"\b([Aa]n?) (\w+)", article, text)
