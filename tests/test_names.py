"""A name means one thing: no two public classes of the package share theirs."""

import ast
from collections import Counter
from pathlib import Path

import segue

SOURCE = Path(segue.__file__).parent


def test_no_two_public_classes_share_a_name() -> None:
    trees = [ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")]
    names = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert len(names) > 200
    assert [name for name, n in names.items() if n > 1 and not name.startswith("_")] == []
