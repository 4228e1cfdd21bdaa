"""What looks as if it differed in the next request."""

import pytest

from segue.chat.template.volatile import MAX_SPANS, find_volatile
from tests.kit.steps import n_calls

# Only candidates are looked at one by one, and there is a most of them.
MOST_CALLS = 10_000

VALUES = [
    "Today's date: |2026-11-22",
    "It is |2026-11-22T10:31:07Z now.",
    "due |22/11/2026",
    "Current time: |10:31",
    "Today Date: |26 Jul 2024",
    "Today is |Monday, January 2, 2026.",
    "on |2nd of March 2026",
    "|Sun Nov 22 12:39:42 UTC 2026",
    "Date: |Sun, 22 Nov 2026 12:39:42 +0000",
    "ts=|1732269600 now",
    "ts=|1732269600123 now",
    "request |550e8400-e29b-41d4-a716-446655440000",
    "commit |0123456789abcdef0123",
    "Working directory: |/home/me/project",
    "<cwd>|/home/me</cwd>",
    '"cwd": "|/home/me"',
    "Current branch: |main",
    "On branch |feature/x\n",
    "gitStatus: |This is the status at the start.",
    "Git status: |clean",
    "This is turn |17 of the game",
    "Session: |123",
    "Session ID: |ab-12",
    "x-anthropic-billing-header: |cc_version=2.1; cch=ab12",
    "Größe 日本 🙂 date: |2026-11-22",
]


@pytest.mark.parametrize("marked", VALUES)
def test_values(marked: str) -> None:
    text = marked.replace("|", "")
    assert find_volatile(text) == (marked.index("|"),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Plain words, may be 5 of them, on Sunday.",
        "version 1.2.3, ratio 16:9, file.py:12:30, a:1:2, 3.14, 10.5-12",
        '{"cwd": {"type": "string"}, "session": {"type": "string"}}',
        "a date, e.g. 2024-01-15",
        "the format is YYYY-MM-DD like 2024-01-15",
        "Knowledge cutoff: June 2024. Cutting Knowledge Date: December 2023",
        "the working directory of the project; return turn; a session",
        "deadbeefdeadbeef feedface 1234567890123456",
        "Decision 5, Marker 7, Augment 2024",
    ],
)
def test_what_stays(text: str) -> None:
    assert find_volatile(text) == ()


def test_an_environment_block_is_one_span() -> None:
    text = "You are an agent.\n\nWorking directory: /home/me\nCurrent branch: main\nToday's date: 2026-11-22\n"
    assert find_volatile(text) == (text.index("/home"),)


def test_spans_far_apart_are_kept_up_to_a_limit() -> None:
    text = "".join(f"At 10:3{i} it rained.\n{'text ' * 20}\n{'more ' * 20}\n" for i in range(8))
    found = find_volatile(text)
    assert len(found) == MAX_SPANS
    assert [text[offset : offset + 5] for offset in found] == ["10:30", "10:31", "10:32", "10:33"]


def test_a_long_line_has_several_spans() -> None:
    text = "date 2026-11-22 " + "word " * 200 + "and 2026-11-23"
    assert find_volatile(text) == (5, text.rindex("2026"))


@pytest.mark.parametrize(
    "line",
    [
        "def f(x): return x[0:10] + 0x1f  # lorem ipsum dolor sit amet\n",
        "12-3 a:b march turn return 2024 " * 4 + "\n",
        "1234567890 " * 8 + "\n",
        "0123456789abcdef" * 8 + "\n",
        "-" * 99 + "\n",
        "x" * 99,
    ],
)
def test_half_a_megabyte_takes_few_steps(line: str) -> None:
    text = line * (500_000 // len(line))
    assert n_calls(lambda: find_volatile(text)) < MOST_CALLS
