"""`foldwise tune`: the settings of one model, by Optuna on the frozen folds."""

from pathlib import Path
from typing import Annotated

import typer

from foldwise.commands.options import Config, Input, Output, Rows, Settings
from foldwise.terminal import say


def tune(
    competition: Config,
    model: Annotated[str, typer.Option(help="The model to tune, e.g. lightgbm.")],
    trials: Annotated[int, typer.Option(min=1, help="Finished trials in the end.")] = 50,
    nested: Annotated[
        bool, typer.Option(help="Also say how optimistic the score is; folds + 1 times the work.")
    ] = False,
    space: Annotated[
        Path | None, typer.Option(help="A TOML file with search spaces. [default: the shipped one]")
    ] = None,
    input: Input = None,
    output: Output = None,
    settings: Settings = None,
    rows: Rows = 0,
) -> None:
    """Tune a model on the frozen folds; start it several times and the workers share the trials."""
    from foldwise.config.competition import load_competition
    from foldwise.config.run import Run
    from foldwise.stages.stage import check_inputs, require_earlier
    from foldwise.tuning import study
    from foldwise.tuning.space import read_space
    from foldwise.tuning.trial import Tuner, inputs

    spans = read_space(model, space)
    loaded = load_competition(competition, settings or (), [model])
    context = Run.of(loaded, input, output, rows=rows)
    require_earlier("baselines", context)
    check_inputs("baselines", inputs(context), context)
    report = study.tune(Tuner.load(context, model, spans), trials, nested)
    for line in study.describe(report, context.output / "tune" / f"{model}.toml"):
        say(line)
