"""The report's picture: tokens read over the day, time to first token by context, speed by requests at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.row import MUST, PEER, SEGUE, Row

_COLOURS: Final = {SEGUE: "#0b7a75", PEER: "#b0413e", MUST: "#8c8c8c"}


@dataclass(frozen=True, slots=True)
class _Panel:
    """A part of the picture: `paint` draws the rows called `what` of a part."""

    part: str
    what: str
    paint: Callable[[Any, Sequence[Row]], None]

    def rows(self, rows: Sequence[Row]) -> list[Row]:
        """Those of `rows` that it draws."""
        return [row for row in rows if row.part == self.part and row.what == self.what]


def draw(rows: Sequence[Row], path: Path) -> bool:
    """Write the picture as PNG; False, and nothing written, where no row has a place in it."""
    panels = [panel for panel in _PANELS if panel.rows(rows)]
    if not panels:
        return False
    # Imported late: it is an extra, and the parts run without it. The report is written where no screen is.
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    n_columns = min(3, len(panels))
    n_lines = -(-len(panels) // n_columns)
    figure, axes = pyplot.subplots(n_lines, n_columns, figsize=(4.4 * n_columns, 3.4 * n_lines), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for axis, panel in zip(axes.flat, panels, strict=False):
        axis.set_title(panel.what, fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
        panel.paint(axis, panel.rows(rows))
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
    return True


def _paint_totals(axis: Any, rows: Sequence[Row]) -> None:
    """One bar for each who had a value in any of the rows."""
    totals = {name: spread.median for row in rows for name, spread in row.values.items()}
    bars = axis.barh(list(totals), list(totals.values()), color=[_COLOURS[name] for name in totals])
    axis.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel(f"{rows[0].unit}, four agents on two slots")
    axis.margins(x=0.2)
    axis.locator_params(axis="x", nbins=4)


def _paint_lines(axis: Any, rows: Sequence[Row]) -> None:
    """Medians over what they were measured at, with bars from the lowest to the highest."""
    for name in rows[0].values:
        spreads = [row.values[name] for row in rows]
        below = [spread.median - spread.low for spread in spreads]
        above = [spread.high - spread.median for spread in spreads]
        at = [row.at for row in rows]
        medians = [spread.median for spread in spreads]
        axis.errorbar(at, medians, (below, above), label=name, color=_COLOURS[name], marker="o", capsize=3)
    axis.set_xscale("log", base=2)
    axis.set_xticks([row.at for row in rows], [f"{row.at:,}" for row in rows])
    axis.set_xlabel("tokens of context")
    axis.set_ylabel(rows[0].unit)
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False, fontsize=8)


def _paint_bars(axis: Any, rows: Sequence[Row]) -> None:
    """Bars side by side for each number of requests at once."""
    names = list(rows[0].values)
    width = 0.8 / len(names)
    for i, name in enumerate(names):
        places = [place + (i - (len(names) - 1) / 2) * width for place in range(len(rows))]
        axis.bar(places, [row.values[name].median for row in rows], width, label=name, color=_COLOURS[name])
    axis.set_xticks(range(len(rows)), [str(row.at) for row in rows])
    axis.set_xlabel("requests at once")
    axis.set_ylabel(rows[0].unit)
    axis.legend(frameon=False, fontsize=8)


_PANELS: Final = (
    _Panel("day", "prompt tokens read", _paint_totals),
    _Panel("ttft", "first token after a tool result", _paint_lines),
    _Panel("ttft", "first token after a new message", _paint_lines),
    _Panel("speed", "cold reading", _paint_bars),
    _Panel("speed", "decoding", _paint_bars),
    _Panel("speed", "decoding, streamed", _paint_bars),
)
