"""The flag that an unknown one may have been meant to be. A wrong hint is worse than none."""

import difflib
from collections.abc import Iterable

from segue.commands.serve.answers import Verdict, answer_to, foreign_flags
from segue.settings.flags import setting_flags

_HELP = "segue serve --help shows all flags"
_LIKENESS = 0.82
"""So much like a known flag must an unknown one be that it is a slip of the keys, and no other flag."""


def hint(name: str) -> str:
    """The hint for an unknown flag."""
    known = set(_known())
    if f"-{name}" in known:
        return f"did you mean -{name}?"
    # Short names are too much alike to tell which was meant, and a negation is never meant by its opposite.
    rivals = [other for other in known if other.startswith("--") and _is_negation(other) == _is_negation(name)]
    rivals = [other.removeprefix("--") for other in rivals] if name.startswith("--") else []
    near = difflib.get_close_matches(name[2:], sorted(rivals), n=3, cutoff=_LIKENESS)
    alike = [flag for flag in near if _likeness(flag, name[2:]) == _likeness(near[0], name[2:])]
    return f"did you mean {' or '.join(f'--{flag}' for flag in sorted(alike))}?" if near else _HELP


def _likeness(flag: str, name: str) -> float:
    return difflib.SequenceMatcher(None, flag, name).ratio()


def _known() -> Iterable[str]:
    yield from setting_flags()
    for name, row in foreign_flags().items():
        if name not in setting_flags() and answer_to(row).verdict is not Verdict.REFUSED:
            yield name


def _is_negation(name: str) -> bool:
    return name.startswith("--no-")
