import tomllib

import pytest

from foldwise.config.competition import COMPETITIONS, Competition, load_competition, shipped
from foldwise.config.sections import Section
from foldwise.errors import UserError


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_competition_is_valid(name):
    assert load_competition(name).name == name


def test_default_holds_every_key_and_a_comment_for_each():
    text = (COMPETITIONS / "default.toml").read_text()
    default = tomllib.loads(text)
    for name, field in Competition.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            assert set(default[name]) == set(kind.model_fields), name
        else:
            assert name in default or name == "name"


def test_a_file_overrides_only_what_differs(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('[data]\ntarget = "author"\n')
    mine = load_competition(path)
    assert (mine.name, mine.data.target, mine.data.id) == ("mine", "author", "id")


@pytest.mark.parametrize(
    ("setting", "parts"),
    [
        ("fold.n=3", ["unknown key 'fold.n'", "'folds.n'"]),
        ("seeds=3", ["unknown key 'seeds'", "'seed'"]),
        ("folds.n=1", ["folds.n = 1", "greater than or equal to 2"]),
        ("folds.n=abc", ["folds.n = 'abc'", "integer"]),
        ("folds.n=true", ["folds.n = True"]),
        ("weights.classes=[1, -1]", ["weights.classes = [1, -1]"]),
        ("features.char_ngrams=[5, 2]", ["char_ngrams must be"]),
        ("data.text=[]", ["data.text = []", "List should have at least 1 item"]),
        ("data.text=prompt", ["data.text = 'prompt'", "list"]),
        ("data=3", ["data is a section"]),
        ("nonsense", ["section.key=value"]),
        ('models=["bertt"]', ["'bertt'", "bert"]),
    ],
)
def test_a_bad_setting_is_one_line_with_key_and_origin(setting, parts):
    with pytest.raises(UserError) as error:
        load_competition("arena", [setting])
    message = str(error.value)
    assert "\n" not in message
    assert f"--set {setting}" in message
    for part in parts:
        assert part in message


def test_a_bad_file_names_file_key_and_nearest_key(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[bert]\nlearning_rte = 1e-5\n")
    with pytest.raises(UserError, match=r"mine\.toml.*'bert\.learning_rte'.*'bert\.learning_rate'"):
        load_competition(path)
    path.write_text("[bert\n")
    with pytest.raises(UserError, match="not valid TOML"):
        load_competition(path)


def test_settings_are_typed_like_the_file():
    mine = load_competition(
        "arena", ["folds.n=3", "bert.learning_rate=1", 'data.group=["prompt"]', "title=x"]
    )
    assert mine.folds.n == 3
    assert mine.bert.learning_rate == 1.0
    assert mine.data.group == ("prompt",)
    assert mine.title == "x"


@pytest.mark.parametrize(
    ("text", "said"), [("label", "'label'; rename"), ("group", "rename"), ("y", "is the target")]
)
def test_a_text_column_that_would_be_overwritten_or_give_the_label_away_is_refused(text, said):
    with pytest.raises(UserError, match=said):
        load_competition("spooky", ["data.target=y", f'data.text=["{text}"]'])


def test_a_file_may_have_a_name_that_no_folder_should(tmp_path):
    path = tmp_path / "my competition (2).toml"
    path.write_text("")
    assert load_competition(path).name == "my-competition-2-"


def test_an_unknown_competition_suggests_the_nearest():
    with pytest.raises(UserError, match="did you mean 'arena'"):
        load_competition("areana")


def test_incoherent_pairs_are_refused():
    for setting in ("pair.first=nope", 'pair.swap=["winner_model_a"]', "pair.second=response_a"):
        with pytest.raises(UserError, match="pair"):
            load_competition("arena", [setting])


def test_the_configuration_is_frozen():
    with pytest.raises(Exception, match="frozen"):
        load_competition("sample").folds.n = 7
