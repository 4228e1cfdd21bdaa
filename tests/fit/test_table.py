"""The table says where a model lies, and by how much it does not fit."""

from dataclasses import replace

from segue.fit.choice import FitChoice
from segue.fit.placement import Placement
from segue.fit.sizes import Sizes
from segue.fit.table import fit_text
from segue.fit.usage import MemoryUsage

GIB = 1 << 30
SIZES = Sizes(n_ctx=131_072, n_cells=262_144, n_parked=4, n_seq_max=9, n_host_bytes=512 << 20)
HOST = MemoryUsage(name="host", free_bytes=32 * GIB, weights=GIB)
LINE = "131,072 tokens a request, 262,144 cells, 4 parked checkpoints, 512 MiB of host memory for more"


def test_a_row_for_each_memory() -> None:
    card = MemoryUsage(
        name="CUDA0",
        free_bytes=24 * GIB,
        target_bytes=GIB,
        n_layers=48,
        n_experts=20,
        weights=16 * GIB,
        cells=4 * GIB,
        states=2 * GIB,
        compute=GIB // 2,
    )
    header, _, *rows, line = fit_text(FitChoice(Placement(48, (49,), 28), SIZES, (card, HOST))).splitlines()
    assert header.split() == [
        "layers",
        "experts",
        "of",
        "weights",
        "cells",
        "states",
        "buffers",
        "in",
        "all",
        "free",
        "left",
    ]
    assert rows[0].split() == ["CUDA0", "48", "20", "16.00", "4.00", "2.00", "0.50", "22.50", "24.00", "0.50"]
    assert rows[1].split()[:5] == ["host", "0", "0", "1.00", "0.00"]
    assert line == LINE


def test_drafts_have_a_column_of_their_own() -> None:
    card = MemoryUsage(name="CUDA0", free_bytes=24 * GIB, cells=GIB, draft_cells=3 * GIB, draft_buffers=GIB)
    host = replace(HOST, draft_buffers=GIB // 2)
    header, _, *rows, line = fit_text(FitChoice(Placement(48, (49,)), SIZES, (card, host))).splitlines()
    assert header.split()[-5:] == ["drafts", "in", "all", "free", "left"]
    assert rows[0].split()[-4:] == ["4.00", "5.00", "24.00", "19.00"]
    assert rows[1].split()[-4:] == ["0.50", "1.50", "32.00", "30.50"]
    drafts = ", 4608 MiB for drafts: 3072 of cells and 1536 of buffers"
    assert line == LINE + drafts
    alone = replace(HOST, draft_cells=3 * GIB, draft_buffers=3 * GIB // 2)
    assert fit_text(FitChoice(Placement(48), SIZES, (alone,))) == LINE + drafts


def test_what_does_not_fit_is_a_negative_rest() -> None:
    card = MemoryUsage(name="CUDA0", free_bytes=8 * GIB, n_layers=48, weights=10 * GIB)
    row = fit_text(FitChoice(Placement(48, (49,)), SIZES, (card, HOST))).splitlines()[2]
    assert row.split() == ["CUDA0", "48", "-", "10.00", "0.00", "0.00", "0.00", "10.00", "8.00", "-2.00"]


def test_without_devices_a_line_is_enough() -> None:
    assert fit_text(FitChoice(Placement(48), SIZES, (HOST,))) == LINE
    one = FitChoice(Placement(48), replace(SIZES, n_parked=1), (HOST,))
    assert ", 1 parked checkpoint, " in fit_text(one)
