"""A simulated arena in the schema of Kaggle "LLM Classification Finetuning".

It stands in for the real data where nothing can be downloaded, and says so: prompts, responders
and judge are programs, no person voted. Because the judge's probabilities are known, the best
possible log loss (the Bayes log loss) is known too.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from foldwise.files import write_csv
from foldwise.simulation.judge import probabilities
from foldwise.simulation.prompts import Prompt, make_prompt
from foldwise.simulation.responses import RESPONDERS, respond

CLASSES = ("winner_model_a", "winner_model_b", "winner_tie")
_REPEATED = 0.22  # chance that a row takes up an earlier prompt again
_SHARED = 0.03  # chance that a test row takes a training prompt
_DRAWS = 50  # tries for a response that nobody gave before


def simulate(
    folder: Path, train_rows: int = 1500, test_rows: int = 500, seed: int = 42
) -> dict[str, float]:
    """Write `train.csv`, `test.csv`, `sample_submission.csv` and `truth.csv`.

    Parameters
    ----------
    folder : Path
        Where the files go.
    train_rows, test_rows : int
        How many rows.
    seed : int
        Everything follows from it.

    Returns
    -------
    dict
        rows, prompts, distinct_words, bayes_log_loss and prior_log_loss (both in nats, on the
        training rows).
    """
    generator = np.random.default_rng(seed)
    table = _rows(generator, train_rows, test_rows)
    one_hot = table["label"].to_numpy()[:, None] == np.array(CLASSES)
    table[[f"drawn_{name}" for name in CLASSES]] = one_hot.astype(int)
    train, test = table[: len(table) - test_rows], table[len(table) - test_rows :]
    columns = ["id", "model_a", "model_b", "prompt", "response_a", "response_b"]
    drawn = {f"drawn_{name}": name for name in CLASSES}
    write_csv(folder / "train.csv", train[[*columns, *drawn]].rename(columns=drawn))
    write_csv(folder / "test.csv", test[["id", *columns[3:]]])
    sample = test[["id"]].copy()
    sample[list(CLASSES)] = 1 / 3
    write_csv(folder / "sample_submission.csv", sample)
    write_csv(folder / "truth.csv", table[["id", "split", *CLASSES, "label"]])
    return _facts(train, table)


def _rows(generator: np.random.Generator, train_rows: int, test_rows: int) -> pd.DataFrame:
    prompts: list[Prompt] = []
    texts: set[str] = set()
    seen: set[str] = set()
    records = []
    n_train_prompts = 0
    for number in range(train_rows + test_rows):
        in_test = number >= train_rows
        if number == train_rows:
            n_train_prompts = len(prompts)
        prompt = _next_prompt(generator, prompts, texts, n_train_prompts, in_test)
        names = [list(RESPONDERS)[int(i)] for i in generator.integers(len(RESPONDERS), size=2)]
        pair = [_unheard(generator, prompt, name, seen) for name in names]
        true = probabilities(*pair)
        label = CLASSES[int(generator.choice(3, p=true))]
        texts_of_row = {
            "prompt": _dump([question.text for question in prompt.questions]),
            "response_a": _dump(pair[0].turns),
            "response_b": _dump(pair[1].turns),
        }
        records.append(
            {"split": "test" if in_test else "train", "model_a": names[0], "model_b": names[1]}
            | texts_of_row
            | dict(zip(CLASSES, true, strict=True))
            | {"label": label}
        )
    table = pd.DataFrame(records)
    # Ids say nothing about the order in which rows were made.
    numbers = generator.choice(9_000_000, len(table), replace=False) + 1_000_000
    table.insert(0, "id", numbers)
    return table


def _next_prompt(
    generator: np.random.Generator,
    prompts: list[Prompt],
    texts: set[str],
    n_train: int,
    in_test: bool,
) -> Prompt:
    draw = generator.random()
    if in_test and n_train and draw < _SHARED:
        return prompts[int(generator.integers(n_train))]
    own = len(prompts) - (n_train if in_test else 0)
    if own and draw < _REPEATED:
        return prompts[len(prompts) - own + int(generator.integers(own))]
    prompt = make_prompt(generator)
    for _ in range(_DRAWS):
        if prompt.questions[0].text not in texts:
            break
        prompt = make_prompt(generator)
    texts.add(prompt.questions[0].text)
    prompts.append(prompt)
    return prompt


def _unheard(generator: np.random.Generator, prompt: Prompt, name: str, seen: set[str]) -> Any:
    """Return a response that is unlike all before it; only an empty one may come again."""
    for _ in range(_DRAWS):
        response = respond(generator, prompt, RESPONDERS[name])
        key = _dump(response.turns)
        if key not in seen or not any(response.turns):
            break
    seen.add(key)
    return response


def _dump(turns: Any) -> str:
    return json.dumps(list(turns), ensure_ascii=False)


def _facts(train: pd.DataFrame, table: pd.DataFrame) -> dict[str, float]:
    true = train[list(CLASSES)].to_numpy()
    drawn = np.array([CLASSES.index(label) for label in train["label"]])
    shares = np.bincount(drawn, minlength=3) / len(drawn)
    used = shares[shares > 0]
    words: set[str] = set()
    for column in ("prompt", "response_a", "response_b"):
        for text in table[column]:
            words.update(word.strip(".,:;!?\"'[]()*-#").lower() for word in text.split())
    return {
        "rows": len(table),
        "prompts": int(table["prompt"].nunique()),
        "distinct_words": len({word for word in words if word.isalpha()}),
        "bayes_log_loss": float(-np.log(true[np.arange(len(drawn)), drawn]).mean()),
        "prior_log_loss": float(-(used * np.log(used)).sum()),
    }
