"""Writes the figures of docs/policies.md again: replays the recordings, which are not part of the repository.

python docs/policies.py TRACES [figures] [seeds] [fleets] [copies], all four if none is named, where TRACES holds
claude-code/conversations.jsonl.gz and mooncake/conversation.jsonl.gz. What was measured is appended to
docs/policies/*.jsonl and not measured again: this can be stopped at any time, and begins anew without those lines.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import copies
import figures
import fleets
import seeds


def main(arguments: Sequence[str]) -> int:
    """Replay, draw, and put the tables into the text."""
    traces, *wanted = arguments
    parts = {"figures": figures.measured, "seeds": seeds.measured, "fleets": fleets.measured, "copies": copies.measured}
    for part in wanted or parts:
        text = parts[part](Path(traces))
        page = Path(__file__).with_suffix(".md")
        begin, end = f"<!-- {part} -->\n", f"<!-- end of {part} -->"
        before, found, rest = page.read_text().partition(begin)
        assert found, f"{page} has no {begin}"
        page.write_text(before + begin + text + end + rest.partition(end)[2])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
