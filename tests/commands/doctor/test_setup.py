"""Lines that mend a setup."""

import pytest

from segue.commands.doctor.setup import Setup
from segue.settings import Settings


@pytest.mark.parametrize(
    ("arguments", "changes", "line"),
    [
        (["-m", "m.gguf"], {"ctx_size": "4096"}, "segue serve -m m.gguf --ctx-size 4096"),
        (["-c", "99", "-m", "a b", "--ctx-size=7"], {"ctx_size": "5"}, "segue serve -m 'a b' --ctx-size 5"),
        (["-ot", "a=b", "--no-mmap", "-fa", "on"], {"override_tensor": None}, "segue serve --no-mmap -fa on"),
        (["-t", "-1", "--port", "1"], {"threads": "2", "port": None}, "segue serve --threads 2"),
    ],
)
def test_a_line_with_other_settings(arguments: list[str], changes: dict[str, str | None], line: str) -> None:
    setup = Setup(arguments, Settings())
    assert setup.line(**changes) == line
    fault = setup.fault("It is wrong", **changes)
    assert (fault.text, fault.mend, fault.changes, fault.is_wrong) == ("It is wrong", line, changes, True)
