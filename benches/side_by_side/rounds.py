"""Interleaved rounds: A B, B A, A B, … so that drift in the machine's speed affects each alike."""

import dataclasses
import statistics


@dataclasses.dataclass
class Spread:
    """The median of the rounds, and their quartiles: of many runs, half would be between them if each had one round."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values):
        if len(values) < 2:
            return cls(values[0], values[0], values[0])
        low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(middle, low, high)

    def __str__(self):
        places = 2 if abs(self.median) < 10 else 1
        number = lambda value: f"{value:,.{places}f}"
        return f"{number(self.low)}–{number(self.high)}"


class Rounds:
    """The measurements of each name, one a round."""

    def __init__(self):
        self.of = {}

    def run(self, count, measures):
        """Runs each measure once a round, every other round in the reverse order."""
        names = list(measures)
        for number in range(count):
            for name in names if number % 2 == 0 else reversed(names):
                self.of.setdefault(name, []).append(measures[name]())
        return self

    def ratio(self, one, other):
        return Spread.of([a / b for a, b in zip(self.of[one], self.of[other])])

    def difference(self, one, other):
        return Spread.of([a - b for a, b in zip(self.of[one], self.of[other])])

    def median(self, name):
        return statistics.median(self.of[name])
