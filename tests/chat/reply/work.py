"""How much is done to take a reply apart, counted instead of timed."""

import re
import sys
from types import FrameType, TracebackType
from typing import Any, Self
from unittest.mock import patch

from segue.chat.reply import calls, channels, elements, notation
from segue.chat.reply.reader import Markers, Reader


class Work:
    """While it is entered, `n_steps` counts calls of functions and characters that are looked at or copied.

    The characters are those through which markers are searched, those that a reader has and takes over when it is
    fed, and those that other patterns are applied to: squared if the pattern is a family's, which may go back.
    """

    def __init__(self) -> None:
        self.n_steps = 0

    def __enter__(self) -> Self:
        find, feed = Markers.find, Reader.feed

        def counted_find(markers: Markers, text: str, at: int, *, is_over: bool) -> tuple[int, str]:
            start, marker = find(markers, text, at, is_over=is_over)
            self.n_steps += start + len(marker) - at
            return start, marker

        def counted_feed(reader: Reader, text: str) -> None:
            feed(reader, text)
            self.n_steps += len(reader._text)

        self._patches: list[Any] = [patch.object(Markers, "find", counted_find)]
        self._patches.append(patch.object(Reader, "feed", counted_feed))
        for module in (calls, channels, elements, notation):
            patterns = {name: value for name, value in vars(module).items() if isinstance(value, re.Pattern)}
            replaced: dict[str, Any] = {name: _Pattern(value, self, 1) for name, value in patterns.items()}
            if "re" in vars(module):
                replaced["re"] = _Pattern(re, self, 2)
            self._patches += [patch.object(module, name, value) for name, value in replaced.items()]
        for one in self._patches:
            one.start()
        sys.setprofile(self._on_event)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.setprofile(None)
        for one in self._patches:
            one.stop()

    def _on_event(self, _frame: FrameType, event: str, _argument: object) -> None:
        self.n_steps += event in ("call", "c_call")


class _Pattern:
    """A pattern, or the module of them, whose methods count what they are applied to, to some power."""

    def __init__(self, pattern: Any, work: Work, power: int) -> None:
        self._pattern = pattern
        self._work = work
        self._power = power

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._pattern, name)

        def counted(*arguments: Any) -> Any:
            self._work.n_steps += max(len(text) for text in arguments if isinstance(text, str)) ** self._power
            return method(*arguments)

        return counted if callable(method) else method
