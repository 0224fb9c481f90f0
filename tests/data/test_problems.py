from __future__ import annotations

from modaloom.data.problems import EXAMPLES_PER_KIND, Problem, Problems


def test_counts_all_but_keeps_the_first_few() -> None:
    problems = Problems()
    for line in range(EXAMPLES_PER_KIND + 5):
        problems.add("bad date", "log.csv", line + 2, "t = 'x'")
    assert problems.counts["bad date"] == problems.total == EXAMPLES_PER_KIND + 5
    assert len(problems.of("bad date")) == EXAMPLES_PER_KIND
    assert not problems.wants_examples("bad date")
    assert problems.of("other") == []


def test_counting_without_examples() -> None:
    problems = Problems()
    problems.count("bad date", 0)
    assert problems.total == 0
    problems.count("bad date", 3)
    assert problems.to_dict() == {"bad date": {"count": 3, "examples": []}}


def test_a_problem_names_file_and_line() -> None:
    assert str(Problem("bad date", "log.csv", 7, "x")) == "log.csv:7: bad date: x"
    assert str(Problem("broken picture", "a.jpg", 0, "x")) == "a.jpg: broken picture: x"
