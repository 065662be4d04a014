"""Content frames, the attribute-free part of a story, and their split into training and held-out
ones."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from tiny_world.grammar_scenes import SCENES, Scene
from tiny_world.grammar_words import MEN, TIMES, WOMEN

HELD_OUT_SHARE = 8
"""One frame in this many is held out."""

_SCENES_BY_NAME = {scene.name: scene for scene in SCENES}


@dataclass(frozen=True)
class Frame:
    """Who does what, where and when. The friend has the other pronoun, so "she" is never
    ambiguous."""

    scene: str
    hero: str
    friend: str
    place: str
    thing: str
    time: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What the split goes by: the same people never do the same thing on both sides of it."""
        return self.scene, self.hero, self.place, self.thing

    @property
    def held_out(self) -> bool:
        """Whether this frame is kept from every training corpus; a property of the frame, not of a
        seed."""
        return zlib.crc32("|".join(self.key).encode()) % HELD_OUT_SHARE == 0

    @property
    def content(self) -> Scene:
        return _SCENES_BY_NAME[self.scene]

    @property
    def hero_is_woman(self) -> bool:
        return self.hero in WOMEN


def draw_frame(rng: random.Random, held_out: bool = False) -> Frame:
    """A random frame from one side of the split."""
    while True:
        scene = rng.choice(SCENES)
        hero, friend = rng.choice(WOMEN), rng.choice(MEN)
        if rng.random() < 0.5:
            hero, friend = friend, hero
        frame = Frame(scene.name, hero, friend, rng.choice(scene.places),
                      rng.choice(scene.things), rng.choice(TIMES))
        if frame.held_out == held_out:
            return frame


def all_keys() -> Iterator[Frame]:
    """One frame for every key of the split (the friend and the time do not matter to it)."""
    for scene in SCENES:
        for hero in WOMEN + MEN:
            friend = MEN[0] if hero in WOMEN else WOMEN[0]
            for place in scene.places:
                for thing in scene.things:
                    yield Frame(scene.name, hero, friend, place, thing, TIMES[0])
