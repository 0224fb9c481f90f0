"""What was skipped while reading, and why: counted, with the first few places of each kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

EXAMPLES_PER_KIND = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One bad row or picture. ``line`` is the physical line in the file, 0 where lines mean nothing."""

    kind: str
    file: str
    line: int
    detail: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.kind}: {self.detail}"


@dataclass
class Problems:
    """Counts every problem by kind and keeps the first :data:`EXAMPLES_PER_KIND` of each."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[Problem]] = field(default_factory=dict)
    facts: list[str] = field(default_factory=list)
    """What was decided while reading, in sentences: nothing was wrong, but somebody may want to know."""

    def add(self, kind: str, file: str, line: int, detail: str) -> None:
        """Records one problem."""
        self.counts[kind] += 1
        kept = self.examples.setdefault(kind, [])
        if len(kept) < EXAMPLES_PER_KIND:
            kept.append(Problem(kind, file, line, detail))

    def count(self, kind: str, number: int) -> None:
        """Records ``number`` problems of a kind whose examples were added before."""
        if number:
            self.counts[kind] += number

    def wants_examples(self, kind: str) -> bool:
        """Whether further examples of a kind would be kept."""
        return len(self.examples.get(kind, ())) < EXAMPLES_PER_KIND

    @property
    def total(self) -> int:
        """Number of problems of all kinds."""
        return sum(self.counts.values())

    def of(self, kind: str) -> list[Problem]:
        """The kept examples of one kind."""
        return self.examples.get(kind, [])

    def to_dict(self) -> dict[str, object]:
        """For JSON: per kind the count and the examples."""
        return {
            kind: {"count": number, "examples": [str(problem) for problem in self.of(kind)]}
            for kind, number in sorted(self.counts.items())
        }
