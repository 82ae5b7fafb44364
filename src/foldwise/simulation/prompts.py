"""Prompts: what the simulated people ask."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foldwise.simulation import phrases
from foldwise.simulation.topics import TOPICS, Topic

_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiouAEIOU])")
_KINDS = ("points", "fact", "sum", "code", "foreign")
_SHARES = (0.55, 0.24, 0.11, 0.06, 0.04)
_TURNS = (0.84, 0.12, 0.03, 0.01)


@dataclass(frozen=True)
class Question:
    """One turn of a person.

    Attributes
    ----------
    kind : str
        "points", "fact", "sum", "code" or "foreign".
    text : str
        What is typed.
    aspects : tuple of str
        What a good answer covers.
    answers : tuple of str
        For a fact: the right answer, then wrong ones.
    numbers : tuple of int
        For a sum: a, b and c of a * b - c.
    """

    kind: str
    text: str
    aspects: tuple[str, ...]
    answers: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Prompt:
    """A conversation's questions, all on one topic."""

    topic: Topic
    questions: tuple[Question, ...]


def pick(generator: np.random.Generator, options: Sequence[str]) -> str:
    """Return one of the options, each as likely."""
    return options[int(generator.integers(len(options)))]


def fill(generator: np.random.Generator, template: str, topic: Topic, **given: object) -> str:
    """Fill the blanks of a template with words of a topic."""
    first, second = generator.choice(len(topic.things), 2, replace=False)
    blanks = {
        "topic": topic.name,
        "thing": topic.things[first],
        "other": topic.things[second],
        "quality": pick(generator, topic.qualities),
        "action": pick(generator, topic.actions),
        "name": pick(generator, phrases.NAMES),
        "place": pick(generator, phrases.PLACES),
        "people": pick(generator, phrases.PEOPLE),
        "mood": pick(generator, phrases.MOODS),
        "season": pick(generator, phrases.SEASONS),
        "number": int(generator.integers(3, 90)),
        "word": topic.things[first].replace("-", "_"),
    }
    text = _ARTICLE.sub(r"\1n ", template.format(**(blanks | given)))
    return text[:1].upper() + text[1:] if not template[:1].islower() else text


def make_prompt(generator: np.random.Generator) -> Prompt:
    """Make a conversation of one to four questions on one topic."""
    topic = TOPICS[int(generator.integers(len(TOPICS)))]
    n_turns = 1 + int(generator.choice(4, p=_TURNS))
    questions = [_first(generator, topic)]
    for _ in range(n_turns - 1):
        aspects = _aspects(generator, topic, most=2)
        template = pick(generator, phrases.ASK_MORE)
        text = fill(generator, template, topic, aspects=_listed(aspects))
        questions.append(Question("points", text, aspects))
    return Prompt(topic, tuple(questions))


def _first(generator: np.random.Generator, topic: Topic) -> Question:
    kind = _KINDS[int(generator.choice(len(_KINDS), p=_SHARES))]
    if kind == "fact":
        question, *answers = topic.facts[int(generator.integers(len(topic.facts)))]
        text = fill(generator, pick(generator, phrases.ASK_FACT), topic, question=question)
        return Question(kind, text, (), tuple(answers))
    if kind == "sum":
        a, b = (int(x) for x in generator.integers(3, 30, 2))
        c = int(generator.integers(2, a * b))
        text = fill(generator, pick(generator, phrases.ASK_SUM), topic, a=a, b=b, c=c)
        return Question(kind, text, (), numbers=(a, b, c))
    asks = {"points": phrases.ASK_POINTS, "code": phrases.ASK_CODE, "foreign": phrases.ASK_FOREIGN}
    aspects = _aspects(generator, topic, most=3 if kind == "points" else 2)
    text = fill(generator, pick(generator, asks[kind]), topic, aspects=_listed(aspects))
    return Question(kind, text, aspects)


def _aspects(generator: np.random.Generator, topic: Topic, most: int) -> tuple[str, ...]:
    count = int(generator.integers(2, most + 1)) if most > 2 else most
    chosen = generator.choice(len(topic.aspects), count, replace=False)
    return tuple(topic.aspects[i] for i in chosen)


def _listed(aspects: tuple[str, ...]) -> str:
    return ", ".join(aspects[:-1]) + f" and {aspects[-1]}" if len(aspects) > 1 else aspects[0]
