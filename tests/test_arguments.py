"""Calls read well: nothing in the package takes more than six arguments by position."""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import segue

SOURCE = Path(segue.__file__).parent
N_MOST = 6


def _functions() -> Iterator[tuple[str, int]]:
    """Every function and method, with how many arguments it takes by position, `self` and `cls` aside."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
                yield f"{path.relative_to(SOURCE)}: {node.name}", len(names) - (names[:1] in (["self"], ["cls"]))


def _records() -> Iterator[tuple[str, int]]:
    """Every dataclass and named tuple, with how many fields, inherited ones included, it takes by position."""
    for module in pkgutil.walk_packages([str(SOURCE)], "segue."):
        if module.name.endswith("__main__"):
            continue
        for name, made in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if made.__module__ != module.name:
                continue
            if dataclasses.is_dataclass(made):
                fields = dataclasses.fields(made)
                yield f"{module.name}.{name}", sum(field.init and not field.kw_only for field in fields)
            elif issubclass(made, tuple) and hasattr(made, "_fields"):
                yield f"{module.name}.{name}", len(made._fields)


def test_nothing_takes_many_arguments_by_position() -> None:
    counted = [*_functions(), *_records()]
    assert len(counted) > 1000
    assert [name for name, n in counted if n > N_MOST] == []
