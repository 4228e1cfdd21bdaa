"""What an unknown flag may have been meant to be. A wrong hint is worse than none."""

import difflib
from collections.abc import Iterable

from segue.commands.serve.answers import Verdict, answer_to, foreign_flags
from segue.settings.flags import setting_flags

_LIKENESS = 0.82
"""So much like a known flag must an unknown one be that it is a slip of the keys, and no other flag."""


def hint(name: str) -> str:
    """What to say of an unknown flag."""
    known = set(_known())
    if f"-{name}" in known:
        return f"did you mean -{name}?"
    # Short names are too much alike to tell which was meant, and a negation is never meant by its opposite.
    rivals = [other for other in known if other.startswith("--") and _is_negation(other) == _is_negation(name)]
    rivals = [other.removeprefix("--") for other in rivals] if name.startswith("--") else []
    near = difflib.get_close_matches(name[2:], sorted(rivals), n=1, cutoff=_LIKENESS)
    return f"did you mean --{near[0]}?" if near else "segue serve --help shows all flags"


def _known() -> Iterable[str]:
    yield from setting_flags()
    for name, row in foreign_flags().items():
        if name not in setting_flags() and answer_to(row).verdict is not Verdict.REFUSED:
            yield name


def _is_negation(name: str) -> bool:
    return name.startswith("--no-")
