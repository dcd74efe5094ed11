"""Figures, budgets, and the table that holds both."""

import dataclasses
import json
import statistics
import tomllib

from . import BENCHES


class Unmeasured(Exception):
    """Something could not be measured; the message says why."""


@dataclasses.dataclass(frozen=True)
class Figure:
    """A measured value. `against` says what else was measured in the same run, or how."""

    name: str
    value: float
    unit: str
    against: str = ""
    # What it was measured on: a version of Prosody, or how the component was built.
    variant: str = ""


def budgets():
    """The budgets by the name of their figure."""
    return tomllib.loads((BENCHES / "budgets.toml").read_text())


def judged(figure, budget):
    """The figure next to its budget, as it goes into the summary."""
    limit = met = None
    if budget is not None:
        limit = budget.get("at_least", budget.get("at_most"))
        met = figure.value >= limit if "at_least" in budget else figure.value <= limit
    return {
        "name": figure.name,
        "figure": figure.value,
        "unit": figure.unit,
        "variant": figure.variant,
        "budget": limit,
        "met": met,
        "against": figure.against,
    }


def written(value):
    """A number for people: three digits that count."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def table(rows):
    """All judged figures as a Markdown table."""
    words = {True: "met", False: "**missed**", None: ""}
    lines = ["| figure | measured | budget | | against |", "|---|---:|---:|---|---|"]
    for row in rows:
        measured = f"{written(row['figure'])} {row['unit']}"
        lines.append(
            f"| {row['name']}{row['variant'] and ' (' + row['variant'] + ')'} | {measured} | {written(row['budget'])} | {words[row['met']]} | {row['against']} |"
        )
    return "\n".join(lines)


def write_summary(path, rows):
    """Writes all judged figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n")


def spread(values):
    """The median, and the range that it is the middle of."""
    low, high = min(values), max(values)
    return statistics.median(values), f"{written(low)} to {written(high)} in {len(values)} rounds"


def percentile(values, share):
    """The smallest value that at least `share` of all are not above."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
