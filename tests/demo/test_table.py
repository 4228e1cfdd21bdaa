"""The table fits into 80 columns and says what happened."""

from dataclasses import replace
from io import StringIO

from rich.console import Console, RenderableType

from segue.demo.reply import DemoReply
from segue.demo.row import Row, Totals
from segue.demo.script import steps
from segue.demo.table import summary, table

COLD = DemoReply(text="abc", n_prompt=7147, n_reused=0, n_read=7147, start="the start", reason="new", first_ms=12345.6)
WARM = DemoReply(
    text="abc", n_prompt=7147, n_reused=5941, n_read=1206, start="message end", reason="new, 11 again", first_ms=1234.5
)
ROWS = [Row(step.name, WARM, COLD) for step in steps()]


def printed(what: RenderableType, width: int = 80) -> list[str]:
    file = StringIO()
    Console(file=file, width=width).print(what)
    return file.getvalue().splitlines()


def test_a_line_for_each_row_at_width_80() -> None:
    lines = printed(table(ROWS))
    assert max(map(len, lines)) <= 80
    assert len(lines) == 3 + len(ROWS) + 2
    first = "first question  7,147  5,941 message end  1,206 new, 11 again  1,234 12,346  yes"
    assert lines[3] == first
    assert lines[-1].split() == ["in", "all", "92,911", "77,233", "15,678", "16,048", "160", "s"]


def test_columns_stay_where_they_are_while_rows_come_in() -> None:
    assert printed(table([Row("first question", COLD)]))[:3] == printed(table(ROWS))[:3]


def test_a_row_that_was_not_compared_yet() -> None:
    lines = printed(table([Row("first question", COLD)]))
    assert " ".join(lines[3].split()) == "first question 7,147 0 the start 7,147 new 12,346"
    assert lines[-1].split() == ["in", "all", "7,147", "0", "7,147", "12,346"]


def test_the_summary_tells_the_factor() -> None:
    text = " ".join(printed(summary(ROWS), width=500))
    assert "13 requests with 92,911 prompt tokens: 15,678 of them were read." in text
    assert "16.0 s in all, instead of 160.5 s: 10.0 times faster. All replies are the same" in text


def test_a_reply_that_differs_is_told() -> None:
    rows = [*ROWS[1:], Row("first question", replace(WARM, text="abd"), COLD)]
    assert printed(table(rows))[-3].endswith("   no")
    assert Totals.of(rows).n_differ == 1
    text = " ".join(printed(summary(rows), width=500))
    assert "1 of the replies differ" in text
    assert "All replies are the same" not in text
