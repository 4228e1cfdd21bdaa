"""Draws curves as pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from segue.sim.curve import Comparison

COLOURS: Final = {
    "segue": "#0b7a75",
    "llama_server": "#b0413e",
    "pos_end": "#e08e79",
    "vllm_align": "#3d5a98",
    "sglang_branch": "#7b4fa3",
    "marconi": "#c98a1b",
    "lru": "#6b6b6b",
    "lru_grid": "#b3b3b3",
    "clairvoyant": "#111111",
    "attention": "#d0d0d0",
}


def draw(comparison: Comparison, path: Path) -> None:
    """Write the share of the oracle's hits against room as PNG. Needs matplotlib, which the extra `sim` installs."""
    # Imported late: matplotlib is an extra, and replays run without it. Pictures need no screen.
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(8, 4.6))
    places = range(len(comparison.capacities))
    for i, curve in enumerate(comparison.curves):
        shares = [100 * result.of_oracle for result in curve.results]
        is_bound = curve.policy in ("clairvoyant", "attention")
        axis.plot(
            places,
            shares,
            label=curve.policy,
            color=COLOURS[curve.policy],
            linewidth=2.4 if curve.policy == "segue" else 1.3,
            linestyle="--" if is_bound else "-",
            marker=None if is_bound else "o",
            markersize=4,
            zorder=3 - i / len(comparison.curves),
        )
    axis.set_xticks(places, comparison.capacities)
    axis.set_xlabel("room for checkpoints")
    axis.set_ylabel("hits, % of the possible hits")
    axis.set_ylim(0, 102)
    axis.set_title(comparison.trace, fontsize=10)
    axis.grid(axis="y", linewidth=0.4, alpha=0.6)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def draw_one(comparisons: Sequence[Comparison], policy: str, path: Path) -> None:
    """Write one policy's curve on each trace as a small PNG, between those of all others in grey."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, len(comparisons), figsize=(3.2 * len(comparisons), 1.9), squeeze=False, sharey=True
    )
    for axis, comparison in zip(axes.flat, comparisons, strict=True):
        places = range(len(comparison.capacities))
        for curve in comparison.curves:
            shares = [100 * result.of_oracle for result in curve.results]
            is_it = curve.policy == policy
            colour = COLOURS[policy] if is_it else "#dddddd"
            axis.plot(places, shares, color=colour, linewidth=2 if is_it else 0.8, zorder=3 if is_it else 2)
        axis.set_xticks(places[::3], comparison.capacities[::3], fontsize=7)
        axis.tick_params(axis="y", labelsize=7)
        axis.set_ylim(0, 102)
        axis.set_title(comparison.trace, fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    pyplot.close(figure)
