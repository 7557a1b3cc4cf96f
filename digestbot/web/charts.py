"""Pure functions: bar charts as SVG that needs no scripts, and their numbers as table rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup

WIDTH, HEIGHT = 640, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 10, 26
MOST_LABELS = 8
LEAST = 1e-6  # smaller values count as zero


@dataclass(frozen=True)
class Series:
    """A series of a chart: a value for each label, None where it is unknown."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Chart:
    """A bar chart: its title, the unit of its values, its labels and its series, which are stacked."""

    title: str
    unit: str
    labels: Sequence[str]
    series: Sequence[Series]
    shown: Callable[[float], str] = lambda value: f"{value:g}"

    @property
    def empty(self) -> bool:
        """Return whether there is nothing to draw."""
        return not any(value for one in self.series for value in one.values)

    @property
    def rows(self) -> list[tuple[str, list[str]]]:
        """Return the table rows: each label with its value in each series, formatted."""
        return [
            (label, ["–" if (value := one.values[number]) is None else self.shown(value) for one in self.series])
            for number, label in enumerate(self.labels)
        ]


def steps(most: float) -> list[float]:
    """Return the grid lines of a scale that reaches ``most``: three to five, at round numbers."""
    if most < LEAST:
        return [0, 1]
    raw = most / 4
    size: float = 10 ** floor(log10(raw))
    step = next(factor * size for factor in (1, 2, 5, 10) if factor * size >= raw)
    return [number * step for number in range(ceil(most / step) + 1)]


def svg(chart: Chart) -> Markup:
    """Return the chart as an SVG element; its colours come from classes of the style sheet."""
    totals = [sum(one.values[number] or 0 for one in chart.series) for number in range(len(chart.labels))]
    scale = steps(max(totals, default=0))
    height = HEIGHT - TOP - BOTTOM
    slot = (WIDTH - LEFT - RIGHT) / max(len(chart.labels), 1)
    every = max(1, ceil(len(chart.labels) / MOST_LABELS))
    parts = [
        Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
            WIDTH, HEIGHT, f"{chart.title}, {chart.unit}"
        )
    ]
    for value in scale:
        y = TOP + height * (1 - value / scale[-1])
        parts.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(LEFT, WIDTH - RIGHT, y, y)
        )
        parts.append(
            Markup('<text x="{}" y="{:.1f}" text-anchor="end">{}</text>').format(LEFT - 6, y + 4, chart.shown(value))
        )
    for number, label in enumerate(chart.labels):
        x, y = LEFT + number * slot, float(TOP + height)
        for place, one in enumerate(chart.series):
            tall = height * (one.values[number] or 0) / scale[-1]
            if tall <= 0:
                continue
            y -= tall
            title = f"{label}, {one.name}: {chart.shown(one.values[number] or 0)}"
            parts.append(
                Markup(
                    '<rect class="series{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
                    "<title>{}</title></rect>"
                ).format(place % 6, x + slot * 0.1, y, slot * 0.8, tall, title)
            )
        if number % every == 0:
            parts.append(
                Markup('<text x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(x + slot / 2, HEIGHT - 8, label)
            )
    return Markup("").join([*parts, Markup("</svg>")])
