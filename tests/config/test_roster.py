import subprocess
import sys
from dataclasses import replace

import pytest

from foldwise.config import roster
from foldwise.config.competition import Competition, load_competition
from foldwise.config.roster import ENSEMBLE, KINDS, LOOKS, PRIOR, display_rank, members
from foldwise.config.sections import Section
from foldwise.models.model import model_class
from foldwise.report import style


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_row_names_a_class_that_keeps_the_contract(kind):
    found = model_class(kind.name)
    assert found.__module__ == kind.module and isinstance(found.uses_validation, bool)
    assert all(callable(getattr(found, name)) for name in ("fit", "predict", "save", "load"))


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_a_kind_with_settings_has_a_section_and_its_defaults(kind):
    section = getattr(load_competition("sample"), kind.name, None)
    assert isinstance(section, Section) == kind.has_settings
    assert (kind.name in Competition.model_fields) == kind.has_settings
    assert not kind.is_transformer or section.model


def test_no_two_kinds_look_the_same():
    assert len(set(LOOKS.values())) == len(LOOKS)
    shown = style.looks([*KINDS, ENSEMBLE])
    assert len({(look["color"], look["marker"]) for look in shown.values()}) == len(LOOKS)
    assert len({look["color"] for look in shown.values()}) == len(LOOKS)


def test_the_floor_comes_first_and_the_blend_last():
    names = ["logreg", ENSEMBLE, "theirs", PRIOR]
    assert sorted(names, key=display_rank) == [PRIOR, "logreg", "theirs", ENSEMBLE]


def test_the_floor_is_no_member_of_a_blend_unless_it_stands_alone():
    assert members([PRIOR, "svm", "bert"]) == ["svm", "bert"]
    assert members([PRIOR]) == [PRIOR]


def test_the_roster_imports_no_model():
    heavy = {"torch", "sklearn", "lightgbm", "numpy"}
    code = f"import sys, foldwise.config.roster; print({heavy} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


def test_whether_a_model_is_a_transformer_follows_from_its_encoder():
    kind = roster.ModelKind("toy", "toys:Toy", look=7)
    assert (kind.module, kind.is_transformer, kind.is_tuned) == ("toys", False, False)
    assert replace(kind, encoder="frozen").is_transformer
    assert not replace(kind, encoder="frozen").is_tuned
    assert replace(kind, encoder="tuned").is_tuned
