"""Fine-tuning against transformers' own Trainer: time, throughput, memory and log loss.

python benchmarks/transformer.py DATA/arena-57k/train.parquet --rows 300

Four ways to train the same network on the same rows, epochs, batch size and seeds:
stock     Trainer as its documentation shows it: padded to max_length, random batches
grouped   Trainer with train_sampling_strategy = "group_by_length" and dynamic padding
fp32      foldwise in the precision that Trainer uses (left out on a GPU, where all use bf16)
foldwise  foldwise as it is configured by default

`seconds`, `rows/s` and `tokens/s` are of the training steps; `CPU s` is the processor time of
loading, tokenising, training and predicting, which other programs on the machine disturb less.
"""

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    DataCollatorWithPadding,
    ModernBertConfig,
    Trainer,
    TrainingArguments,
)

from foldwise.backbone.device import Device
from foldwise.backbone.pretrained import quiet
from foldwise.backbone.source import packaged_folder
from foldwise.config.competition import Competition, load_competition
from foldwise.data.celltext import text_column
from foldwise.data.cleaning import TURN, clean_column
from foldwise.features.rows import Rows
from foldwise.finetune import throughput
from foldwise.finetune.plan import TrainingRecord
from foldwise.meter import Meter
from foldwise.models.bert import Bert
from foldwise.models.model import Task

SHAPES = {"bert-base": BertConfig, "modernbert-base": ModernBertConfig}
COLUMNS = (
    "arm",
    "cap",
    "seed",
    "seconds",
    "CPU s",
    "rows/s",
    "tokens/s",
    "MFU",
    "MB",
    "loss",
    "OOF",
)


def main() -> None:
    options = arguments()
    settings = ["bert.pair_mode=cross", "bert.swap_averaging=false", *options.set]
    competition = load_competition("arena", settings)
    rows = read(options.data, options.rows, competition)
    cuda = torch.cuda.is_available()
    arms = ["stock", "grouped", "foldwise"] if cuda else ["stock", "grouped", "fp32", "foldwise"]
    arms = [arm for arm in arms if arm in options.arms.split(",")] if options.arms else arms
    device = torch.cuda.get_device_name() if cuda else f"CPU, {torch.get_num_threads()} threads"
    print(f"{options.model}, {len(rows)} rows, {options.folds} folds, {options.epochs} epoch(s)")
    print(f"{device}; torch {torch.__version__}")
    print("  ".join(f"{name:>9}" for name in COLUMNS))
    with tempfile.TemporaryDirectory() as scratch:
        model = prepare(options.model, Path(scratch))
        for cap in map(int, options.caps.split(",")):
            for seed in range(options.seeds):
                for arm in arms:
                    # Each in a process of its own: memory that one arm keeps helps no other.
                    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                        work = (arm, model, rows, competition, cap, seed, options, Path(scratch))
                        found = pool.submit(race, *work).result()
                    print(
                        "  ".join(f"{value:>9}" for value in (arm, cap, seed, *found)), flush=True
                    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="train.parquet of arena-57k")
    parser.add_argument("--model", default="packaged", choices=["packaged", *SHAPES])
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--caps", default="256,512,1024", help="longest sequences, in tokens")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--batch", type=int, default=16, help="rows of an optimiser step")
    parser.add_argument("--arms", default="", help="only these, e.g. stock,foldwise")
    parser.add_argument(
        "--set", action="append", default=[], help="of foldwise alone, e.g. bert.batch_tokens=65536"
    )
    return parser.parse_args()


def read(path: Path, n: int, competition: Competition) -> Rows:
    """Draw `n` rows and clean their texts."""
    table = pd.read_parquet(path)
    table = table.sample(min(n, len(table)), random_state=0).reset_index(drop=True)
    texts = {}
    for name in competition.data.text:
        values, _ = text_column(table[name])
        values[[value is None for value in values]] = ""
        texts[name] = clean_column(values, competition.clean)
    labels = table[list(competition.data.target)].to_numpy().argmax(axis=1).astype(np.int64)
    return Rows(table.index.astype(str).to_numpy(object), texts, texts["prompt"], labels)


def prepare(model: str, scratch: Path) -> str:
    """Return a folder with the network; a shape without weights gets random ones."""
    folder = packaged_folder()
    if model not in SHAPES:
        return str(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    shape = SHAPES[model](vocab_size=len(tokenizer), num_labels=3)
    ids = {"pad_token_id": tokenizer.pad_token_id, "cls_token_id": tokenizer.cls_token_id}
    for name, value in (ids | {"sep_token_id": tokenizer.sep_token_id}).items():
        setattr(shape, name, value)
    shape.bos_token_id = shape.eos_token_id = None
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_config(shape).save_pretrained(scratch / model)
    tokenizer.model_max_length = shape.max_position_embeddings
    tokenizer.save_pretrained(scratch / model)
    return str(scratch / model)


def race(arm, model, rows, competition, cap, seed, options, scratch):
    """Cross-validate one arm; return the figures of a line."""
    longest = AutoConfig.from_pretrained(model).max_position_embeddings
    if cap > longest:
        return [f"the model reads {longest} tokens at most"]
    train = stock if arm in ("stock", "grouped") else foldwise
    oof, total, losses = np.zeros((len(rows), 3)), TrainingRecord(), []
    memory = cpu = 0.0
    for known, held in GroupKFold(options.folds).split(rows.labels, groups=rows.groups):
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        before = time.process_time()
        with Meter() as meter:
            parts = (rows.take(known), rows.take(held))
            record, loss, oof[held], network = train(
                arm, model, *parts, competition, cap, seed, options, scratch
            )
        gpu = torch.cuda.is_available()
        peak = torch.cuda.max_memory_allocated() / 2**20 if gpu else meter.peak_memory_mb
        memory = max(memory, peak)
        losses.append(loss)
        cpu += time.process_time() - before
        for name in ("tokens", "padded_tokens", "squares", "seconds"):
            setattr(total, name, getattr(total, name) + getattr(record, name))
    precision = "auto" if arm == "foldwise" or torch.cuda.is_available() else "fp32"
    figures = throughput.summary(network, total, Device.choose(precision))
    shown = len(rows) * (options.folds - 1) * options.epochs
    return [
        f"{total.seconds:.1f}",
        f"{cpu:.1f}",
        f"{shown / total.seconds:.2f}",
        f"{figures['tokens_per_second']:,.0f}",
        f"{figures['mfu']:.1%}" if "mfu" in figures else "–",
        f"{memory:,.0f}",
        f"{np.mean(losses):.4f}",
        f"{log_loss(rows.labels, oof):.4f}",
    ]


def stock(arm, model, train, held, competition, cap, seed, options, scratch):
    """Train as transformers' documentation does; the answers stand in one sequence."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    padding = "max_length" if arm == "stock" else False

    def tokenise(rows):
        texts = rows.texts
        first = [f"{p}\n{a}" for p, a in zip(texts["prompt"], texts["response_a"], strict=True)]
        return tokenizer(
            [text.replace(TURN, "\n") for text in first],
            [text.replace(TURN, "\n") for text in texts["response_b"]],
            truncation=True,
            max_length=cap,
            padding=padding,
        )

    def dataset(rows):
        encoded = tokenise(rows)
        features = [{k: encoded[k][i] for k in encoded} for i in range(len(rows))]
        return [f | {"labels": int(y)} for f, y in zip(features, rows.labels, strict=True)]

    data = dataset(train)
    torch.manual_seed(seed)
    with quiet():
        network = AutoModelForSequenceClassification.from_pretrained(
            model, num_labels=3, dtype=torch.float32
        )
    options_ = TrainingArguments(
        output_dir=str(scratch / "trainer"),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch,
        per_device_eval_batch_size=options.batch,
        learning_rate=competition.bert.learning_rate,
        bf16=torch.cuda.is_available(),
        train_sampling_strategy="group_by_length" if arm == "grouped" else "random",
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        seed=seed,
    )
    trainer = Trainer(
        model=network,
        args=options_,
        train_dataset=data,
        data_collator=DataCollatorWithPadding(tokenizer),
        processing_class=tokenizer,
    )
    trainer.log = lambda logs, *_: trainer.state.log_history.append(logs)
    start = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - start
    lengths = np.array([sum(row["attention_mask"]) for row in data]) * options.epochs
    squares = (lengths**2).sum() // options.epochs
    record = TrainingRecord(
        tokens=int(lengths.sum()), padded_tokens=int(lengths.sum()), squares=int(squares)
    )
    record.seconds = seconds
    logits = trainer.predict(dataset(held)).predictions
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return record, last(losses), softmax(logits.astype(np.float64), axis=1), trainer.model


def foldwise(arm, model, train, held, competition, cap, seed, options, scratch):
    """Train through the project's own model."""
    fp32 = arm == "fp32"
    changes = {"model": model, "max_length": cap, "epochs": options.epochs}
    changes |= {"batch_size": options.batch, "precision": "fp32" if fp32 else "auto"}
    bert = competition.bert.model_copy(update=changes)
    task = Task(
        competition=competition.model_copy(update={"bert": bert}),
        classes=list(competition.data.target),
        class_weights=np.ones(3),
        seed=seed,
        fold=0,
        scratch=scratch / "foldwise",
        threads=torch.get_num_threads(),
    )
    fitted = Bert.fit(train, task)
    info = fitted.info
    record = TrainingRecord(**{name: info[name] for name in ("tokens", "padded_tokens", "squares")})
    record.seconds = info["seconds"]
    losses = [point["loss"] for point in info["history"]]
    return record, losses[-1], fitted.predict(held), fitted.network


def last(losses: list[float]) -> float:
    """Mean of the second half of the steps, as the project's curve has it."""
    return float(np.mean(losses[len(losses) // 2 :]))


if __name__ == "__main__":
    main()
