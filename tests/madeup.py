"""Small made-up rows, pairs and single texts, and a model fitted on them."""

import numpy as np

from foldwise.config.competition import load_competition
from foldwise.crossval.class_weights import class_weights
from foldwise.features.featurise import featurise
from foldwise.features.rows import Rows
from foldwise.models.model import Task, model_class

GOOD = "clear correct complete helpful answer steps example".split()
BAD = "sorry unable vague wrong guess nothing unsure".split()
FILL = "the a of to and in that is was for on with as by at from".split()


def sentence(generator, words):
    return " ".join(generator.choice(words + FILL, 12)) + "."


def pair_rows(n=160, seed=0):
    generator = np.random.default_rng(seed)
    quality = generator.normal(size=(n, 2))
    answers = [[sentence(generator, GOOD if q > 0 else BAD) for q in row] for row in quality]
    a, b = np.array(answers, dtype=object).T
    margin = np.sign(quality[:, 0]).astype(int) - np.sign(quality[:, 1]).astype(int)
    labels = np.select([margin > 0, margin < 0], [0, 1], 2)
    texts = {"prompt": np.array([f"question {i}" for i in range(n)], object)}
    texts |= {"response_a": a, "response_b": b}
    return rows(load_competition("arena"), texts, labels)


def single_rows(n=160, seed=0, classes=3):
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    words = [[f"{word}{c}" for word in GOOD] for c in range(classes)]
    texts = {"text": np.array([sentence(generator, words[c]) for c in labels], object)}
    return rows(load_competition("spooky", ["features.char_ngrams=[]"]), texts, labels)


def rows(competition, texts, labels):
    ids = np.array([str(i) for i in range(len(labels))], object)
    return competition, Rows(ids, texts, ids, labels, featurise(texts, competition)[0])


def fit(name, competition, train, tmp_path, classes=None):
    classes = classes or list(competition.data.target)
    weights = class_weights(train.labels, classes, competition.weights)
    task = Task(competition, classes, weights, seed=1, fold=0, scratch=tmp_path)
    return model_class(name).fit(train, task)
