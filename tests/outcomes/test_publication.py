"""A publication is one file; a file that breaks the form is refused with its key."""

from pathlib import Path

import pytest

from mappings.errors import ConfigError
from outcomes.metric import load_metrics
from outcomes.publication import load_publication, load_publications

SHIPPED = Path("config/publications")
HEAD = 'citation = "Paper"\ndoi = "10.1/x"\n'
WOMEN = '[[figure]]\nfigure = "Women"\nmetric = "women"\nstatistic = "numerator"\nprinted = "35"\n'


def test_every_printed_figure_names_a_metric_that_exists() -> None:
    (publication,) = load_publications(SHIPPED)
    assert {f.metric for f in publication.figure} <= {metric.metric for metric in load_metrics()}


def test_the_file_holds_printed_figures_and_no_answer() -> None:
    text = (SHIPPED / "cazzato-2022.toml").read_text(encoding="utf-8")
    assert "8.6" not in text
    assert "2.59" not in text


def test_decimals_are_those_printed(tmp_path: Path) -> None:
    path = tmp_path / "paper.toml"
    path.write_text(HEAD + WOMEN.replace("35", "35.00"), encoding="utf-8")
    assert load_publication(path).figure[0].digits == 2


def test_a_folder_that_does_not_exist_holds_no_publication(tmp_path: Path) -> None:
    assert load_publications(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEAD, "figure: Field required"),
        (HEAD + WOMEN.replace('"35"', "35"), "figure.0.printed: Input should be a valid string"),
        (HEAD + WOMEN.replace('"35"', '"many"'), "figure.0.printed"),
        (HEAD + WOMEN + 'relation = "~"\n', "figure.0.relation"),
        (HEAD + WOMEN + 'share_of = ["Women", "People"]\n', "no figure is called People"),
        (HEAD + WOMEN + WOMEN, "a name of its own"),
        (HEAD + WOMEN + 'known_value = "8.6"\n', "figure.0.known_value"),
        (HEAD + WOMEN + '[[summary]]\nsummary = "S"\nmetric = "women"\nn = "Women"\n', "S needs the figures"),
        ("citation = ", "not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_key(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "paper.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_publication(path)
    assert str(path) in refused.value.message
    assert problem in refused.value.message


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_publication(tmp_path / "paper.toml")
