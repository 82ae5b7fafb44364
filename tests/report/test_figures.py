import numpy as np
from matplotlib.colors import to_hex

from foldwise.report import figures, style
from foldwise.scoring.bootstrap import GroupBootstrap

MODELS = ["prior", "logreg", "svm", "mine", "yours", "ensemble"]


def test_a_model_of_the_pipeline_looks_the_same_beside_any_others():
    everywhere = style.looks(MODELS)
    assert style.looks(["svm"])["svm"] == everywhere["svm"]
    assert style.looks(["ensemble", "theirs"])["ensemble"] == everywhere["ensemble"]
    kinds = {(look["color"], look["marker"]) for look in everywhere.values()}
    assert len(kinds) == len(MODELS)


def test_the_points_of_the_reliability_diagram_lie_in_their_intervals():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 400)
    p = generator.dirichlet(np.ones(3), 400) + 0.5 * np.eye(3)[labels]
    p /= p.sum(axis=1, keepdims=True)
    figure = figures.draw_reliability(labels, {"bert": p}, GroupBootstrap(np.arange(400) // 2))
    line, _, (bars,) = figure.axes[0].containers[0]
    accuracy = line.get_ydata()
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    assert len(ends) == len(accuracy) > 4
    assert (ends[:, 0] <= accuracy).all() and (accuracy <= ends[:, 1]).all()
    assert (ends[:, 1] - ends[:, 0]).max() > 0.05


def test_no_part_of_a_line_stays_black_on_the_dark_page(tmp_path):
    p = np.full((60, 2), 0.5) + np.linspace(-0.4, 0.4, 60)[:, None] * [1, -1]
    groups = GroupBootstrap(np.arange(60))
    figure = figures.draw_reliability(np.arange(60) % 2, {"ensemble": p}, groups)
    style.save(figure, tmp_path / "dark.png", dark=True)
    for line in figure.axes[0].get_lines():
        assert to_hex(line.get_color()) != "#000000"
        assert to_hex(line.get_markeredgecolor()) != "#000000"
