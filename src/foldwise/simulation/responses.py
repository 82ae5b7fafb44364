"""Responses, and the latent quality that shows in their text."""

from dataclasses import dataclass

import numpy as np

from foldwise.simulation import phrases
from foldwise.simulation.prompts import Prompt, Question, fill, pick
from foldwise.simulation.topics import TOPICS

RESPONDERS = {
    "simulated-strong-1": 1.6,
    "simulated-strong-2": 1.2,
    "simulated-medium-1": 0.4,
    "simulated-medium-2": 0.0,
    "simulated-weak-1": -0.7,
    "simulated-weak-2": -1.3,
}

# What each trait of an answer adds to its quality, in the units of the judge's log odds.
_WORTH = {
    "right": 1.2,
    "wrong": -0.9,
    "covered": 1.7,  # times the share of the asked points that are covered
    "worked": 0.8,
    "structured": 0.9,
    "unsure": -0.9,
    "vague": -0.9,
    "padded": -0.7,
    "drifting": -1.2,
    "truncated": -1.0,
    "foreign": -1.9,
    "refusal": -2.3,
    "empty": -3.0,
}


@dataclass(frozen=True)
class Response:
    """A response to a whole conversation.

    Attributes
    ----------
    turns : tuple of str or None
        An answer to each question; None where nothing came.
    quality : float
        Latent quality, the mean over the turns.
    refused : bool
        Whether every turn is a refusal or empty.
    """

    turns: tuple[str | None, ...]
    quality: float
    refused: bool

    @property
    def length(self) -> int:
        """Characters over all turns."""
        return sum(len(turn or "") for turn in self.turns)


def respond(generator: np.random.Generator, prompt: Prompt, skill: float) -> Response:
    """Let a responder of some skill answer every question of a prompt."""
    turns, qualities, nothing = [], [], []
    # A responder has better and worse days.
    form = skill + 0.8 * generator.normal()
    for question in prompt.questions:
        text, traits = _answer(generator, prompt, question, form)
        turns.append(text)
        qualities.append(sum(_WORTH[trait] * amount for trait, amount in traits.items()))
        nothing.append("refusal" in traits or "empty" in traits)
    return Response(tuple(turns), float(np.mean(qualities)), all(nothing))


def _answer(
    generator: np.random.Generator, prompt: Prompt, question: Question, form: float
) -> tuple[str | None, dict[str, float]]:
    good = 1 / (1 + np.exp(-form))
    draw = generator.random
    if draw() < 0.02 * (1.5 - good):
        return None, {"empty": 1.0}
    if draw() < 0.16 * (1.15 - good):
        text = fill(generator, pick(generator, phrases.REFUSALS), prompt.topic)
        if draw() < 0.5:
            text += " " + fill(generator, pick(generator, phrases.CLOSINGS), prompt.topic)
        return text, {"refusal": 1.0}
    if draw() < 0.05 * (1.2 - good):
        text = pick(generator, phrases.WRONG_LANGUAGE)
        return f"{text} {prompt.topic.name}, {pick(generator, prompt.topic.things)}.", {
            "foreign": 1.0
        }
    traits: dict[str, float] = {}
    parts = [_core(generator, prompt, question, good, traits)]
    if draw() < 0.4:
        parts.insert(0, fill(generator, pick(generator, phrases.OPENINGS), prompt.topic))
    if draw() < 0.38 * (1.2 - good):
        traits["padded"] = 1.0
        parts.insert(1, fill(generator, pick(generator, phrases.PADDING), prompt.topic))
        parts.append(fill(generator, pick(generator, phrases.PADDING), prompt.topic))
    if draw() < 0.3 * (1.1 - good):
        traits["drifting"] = 1.0
        elsewhere = TOPICS[int(generator.integers(len(TOPICS)))]
        parts.append(fill(generator, pick(generator, phrases.DRIFT), elsewhere))
    elif draw() < 0.5:
        parts.append(fill(generator, pick(generator, phrases.CLOSINGS), prompt.topic))
    text = "\n".join(parts) if "structured" in traits else " ".join(parts)
    if draw() < 0.2 * (1.2 - good):
        traits["truncated"] = 1.0
        words = text.split(" ")
        keep = max(4, int(len(words) * generator.uniform(0.5, 0.85)))
        text = " ".join(words[:keep]).rstrip(".:;,!?")
    return text, traits


def _core(
    generator: np.random.Generator,
    prompt: Prompt,
    question: Question,
    good: float,
    traits: dict[str, float],
) -> str:
    if question.kind == "sum":
        return _sum(generator, question, good, traits)
    if question.kind == "fact":
        return _fact(generator, prompt, question, good, traits)
    return _points(generator, prompt, question, good, traits)


def _sum(
    generator: np.random.Generator, question: Question, good: float, traits: dict[str, float]
) -> str:
    a, b, c = question.numbers
    right = generator.random() < 0.25 + 0.75 * good
    slip = 0 if right else int(generator.choice([-10, -2, -1, 1, 2, 10, 100]))
    traits["right" if right else "wrong"] = 1.0
    worked = generator.random() < good
    if worked:
        traits["worked"] = 1.0
    template = pick(generator, phrases.STEPS if worked else phrases.NO_STEPS)
    product = a * b
    return template.format(a=a, b=b, c=c, product=product, result=product - c + slip)


def _fact(
    generator: np.random.Generator,
    prompt: Prompt,
    question: Question,
    good: float,
    traits: dict[str, float],
) -> str:
    right = generator.random() < 0.25 + 0.75 * good
    traits["right" if right else "wrong"] = 1.0
    answer = question.answers[0] if right else pick(generator, question.answers[1:])
    unsure = generator.random() > 0.35 + 0.6 * good
    if unsure:
        traits["unsure"] = 1.0
    template = pick(generator, phrases.UNSURE if unsure else phrases.SURE)
    text = fill(generator, template, prompt.topic, answer=answer)
    if generator.random() < good:
        traits["worked"] = 1.0
        aspect = pick(generator, prompt.topic.aspects)
        template = pick(generator, phrases.POINTS)
        text += " " + fill(generator, template, prompt.topic, aspect=aspect.capitalize())
    return text


def _points(
    generator: np.random.Generator,
    prompt: Prompt,
    question: Question,
    good: float,
    traits: dict[str, float],
) -> str:
    covered = [a for a in question.aspects if generator.random() < 0.15 + 0.85 * good]
    traits["covered"] = len(covered) / len(question.aspects) - 0.5
    lines = [
        fill(generator, pick(generator, phrases.POINTS), prompt.topic, aspect=a.capitalize())
        for a in covered
    ]
    while not lines or (len(lines) < 2 and generator.random() < 0.7):
        traits["vague"] = 1.0
        lines.append(fill(generator, pick(generator, phrases.VAGUE), prompt.topic))
    if question.kind == "code" and generator.random() < good:
        traits["worked"] = 1.0
        lines.append(fill(generator, pick(generator, phrases.CODE), prompt.topic))
    if len(covered) > 1 and generator.random() < 0.15 + 0.6 * good:
        traits["structured"] = 1.0
        return _structured(generator, prompt, lines)
    return " ".join(lines)


def _structured(generator: np.random.Generator, prompt: Prompt, lines: list[str]) -> str:
    style = int(generator.integers(3))
    if style == 0:
        return "\n".join(f"- {line}" for line in lines)
    if style == 1:
        return "\n".join(f"{i}. {line}" for i, line in enumerate(lines, start=1))
    bold = [
        f"**{line.partition(':')[0]}**:{line.partition(':')[2]}" if ":" in line else line
        for line in lines
    ]
    return f"## {prompt.topic.name.capitalize()}\n" + "\n".join(bold)
