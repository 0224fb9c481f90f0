"""Options by hand and from files: what is unknown, of the wrong kind or out of range is said by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modaloom.errors import TrainingError
from modaloom.learning.options import RANGES, LearnOptions, LoopOptions, load_options
from modaloom.training.loop import LoopConfig


def test_the_loop_learns_as_it_was_told() -> None:
    options = LearnOptions(size="small", epochs=7, seed=3, loop=LoopOptions(learning_rate=0.02, negatives=64))
    config = options.fusion_config()
    assert (config.dim, config.loop.epochs, config.loop.seed) == (32, 7, 3)
    assert (config.loop.learning_rate, config.loop.negatives) == (0.02, 64)
    assert config.loop.batch_size == LoopConfig().batch_size
    assert LearnOptions().fusion_config().loop == LoopConfig()


def test_every_range_is_of_an_option_of_the_loop_and_holds_its_default() -> None:
    loop = LoopConfig()
    assert set(RANGES) == set(LoopOptions.__dataclass_fields__)
    assert all(low <= getattr(loop, name) <= high for name, (low, high) in RANGES.items())


def test_values_may_be_given_flat_or_nested_and_come_back_from_a_file(tmp_path: Path) -> None:
    flat = LearnOptions().with_values({"size": "large", "learning_rate": 0.01, "modalities": ["text", "behaviour"]})
    nested = LearnOptions().with_values(
        {"size": "large", "loop": {"learning_rate": 0.01}, "modalities": ("text", "behaviour")}
    )
    assert flat == nested
    assert flat.loop.chosen() == {"learning_rate": 0.01}
    for number, content in enumerate((flat.to_dict(), {"options": flat.to_dict(), "format": 1})):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        assert load_options(file) == flat
    again = flat.with_values({"negatives": 99})
    assert again.loop.chosen() == {"learning_rate": 0.01, "negatives": 99}, "what was given before stays"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"learnin_rate": 0.01}', r"unknown option 'learnin_rate'\. Did you mean learning_rate\?"),
        ('{"loop": {"epoch": 3}}', "unknown option 'epoch'"),
        ('{"options": {"colour": 3}}', "unknown option 'colour'. .*size"),
        ('{"learning_rate": "fast"}', "learning_rate: Input should be a valid number"),
        ('{"negatives": 2.5}', "negatives: Input should be a valid integer"),
        ('{"learning_rate": NaN}', "learning_rate is nan. Choose from 1e-06 to 1"),
        ('{"epochs": 0}', "epochs is 0. Choose from 1 to 1000"),
        ('{"modality_dropout": 0.95}', "modality_dropout is 0.95. Choose from 0 to 0.9"),
        ('{"fusion": "magic"}', "unknown fusion 'magic'"),
        ('{"loop": 3}', "loop must be an object"),
        ("[1]", "the file must be an object"),
        ("{", "not valid JSON"),
    ],
)
def test_a_wrong_file_is_named(content: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "options.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(TrainingError, match=words) as caught:
        load_options(file)
    assert caught.value.where == str(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="No such file"):
        load_options(tmp_path / "none.json")
