import io
from dataclasses import replace

from rich.console import Console, RenderableType

from segue.commands.cache.contents import DirectoryContents
from segue.commands.cache.table import table, text_table, totals
from tests.commands.cache.making import IDS, NOW


def shown(what: RenderableType) -> list[list[str]]:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(what)
    return [line.split() for line in console.export_text().splitlines()]


def test_a_row_for_each_checkpoint(contents: DirectoryContents) -> None:
    lines = shown(table(contents, NOW))
    assert lines[0] == ["id", "tokens", "origin", "size", "age", "used", "hits", "pinned", "model"]
    freed = contents.find([IDS[2]])[0].row.n_bytes + contents.find([IDS[2]])[0].chain[1].n_bytes
    assert lines[2] == [
        IDS[2][:8],
        "75",
        "message",
        "end",
        f"{freed / 1024:.1f}",
        "KiB",
        "3",
        "d",
        "2",
        "d",
        "0",
        "aaaaaaaa-1",
    ]
    assert [line[0] for line in lines[2:]] == [IDS[number][:8] for number in (2, 1, 6, 3, 4, 5)]
    assert lines[-1][-2:] == ["yes", "aaaaaaaa-1"]


def test_the_widest_row_fits(contents: DirectoryContents) -> None:
    row = replace(
        contents.checkpoints[0].row, n_tokens=1_000_000, origin="message_end", n_bytes=999 << 30, n_hits=9_999
    )
    alike = [replace(row, pinned=True, key=bytes(5) + bytes([last]) * 11) for last in (1, 2)]
    wide = replace(contents, checkpoints=tuple(replace(contents.checkpoints[0], row=row, chain=()) for row in alike))
    lines = shown(table(wide, NOW - 100))
    assert "…" not in str(lines)
    assert [line[0] for line in lines[2:]] == ["000000000001", "000000000002"]


def test_totals(contents: DirectoryContents) -> None:
    shared = contents.find([IDS[1]])[0].chain[0].n_bytes
    used = contents.used_bytes
    line = f"6 checkpoints of 2 models: {used / 1024:.1f} KiB in 9 files, {shared / 1024:.1f} KiB of it shared"
    assert totals(contents) == line
    assert (
        totals(DirectoryContents(contents.path, (), {}, 0, 0))
        == "0 checkpoints of 0 models: 0 B in 0 files, 0 B of it shared"
    )


def test_texts_are_no_markup(contents: DirectoryContents) -> None:
    assert shown(text_table({IDS[3]: "[bold]x[/]"}, contents))[-1] == [IDS[3][:8], "[bold]x[/]"]
