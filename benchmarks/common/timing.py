"""Seconds of calls that are compared: made in turn, warmed alike, with their spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any, TypeVar

import numpy as np
import torch

Input = TypeVar("Input")
Seconds = dict[str, list[float]]


def wall(call: Callable[[], Any]) -> float:
    """Seconds of one call, the device's work included."""
    synchronize()
    start = time.perf_counter()
    call()
    synchronize()
    return time.perf_counter() - start


def synchronize() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def in_turn(
    sides: Mapping[str, Callable[[Input], Callable[[], Any]]],
    inputs: Callable[[int], Input],
    rounds: int,
    warmups: int = 1,
    after: Callable[[], Any] = lambda: None,
) -> Seconds:
    """Seconds of each side in every round: a round calls each side once, in the order given.

    inputs: from a round's number, what all its sides are given. Rounds that only warm up come first
        and have the numbers -warmups .. -1.
    sides: name -> what prepares a call, not timed, and returns it.
    after: called after every round, not timed.
    """
    seconds: Seconds = {name: [] for name in sides}
    for number in range(-warmups, rounds):
        given = inputs(number)
        for name, prepare in sides.items():
            spent = wall(prepare(given))
            if number >= 0:
                seconds[name].append(spent)
        after()
    return seconds


def alternated(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Both sides' items by turns, ours first."""
    turns = zip_longest(ours.items(), theirs.items())
    return dict(item for turn in turns for item in turn if item is not None)


def repeated(call: Callable[[], Any], at_least: int = 10, for_seconds: float = 0.5) -> list[float]:
    """Seconds of one call made again and again, of 5000 at most; for what takes microseconds."""
    seconds: list[float] = []
    until = time.perf_counter() + for_seconds
    while len(seconds) < at_least or (time.perf_counter() < until and len(seconds) < 5000):
        seconds.append(wall(call))
    return seconds


def spread(values: list[float]) -> dict[str, float]:
    low, high = np.percentile(values, [25, 75]).tolist()
    return {
        "median": statistics.median(values),
        "q1": low,
        "q3": high,
        "min": min(values),
        "max": max(values),
        "count": len(values),
    }


def paired_ratio(peer: list[float], ours: list[float]) -> dict[str, float]:
    """How many times as long the peer takes: the spread of the rounds' own ratios."""
    return spread([theirs / own for theirs, own in zip(peer, ours, strict=True)])
