"""The names of files and functions in the documentation are those of the code."""

import ast
import re
from pathlib import Path

import pytest

from tools.structure import circles, depths, modules

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "segue"
PAGES = {path.name: path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
# `make docs` writes three of them from the code, and policies.md names files of other projects.
HAND_WRITTEN = sorted(PAGES.keys() - {"structure.md", "flags.md", "endpoints.md", "policies.md"})

Defined = dict[str, set[str]]


def _defined(tree: ast.Module) -> Defined:
    """Each name that a module defines, with the names that its class defines."""
    found: Defined = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = {name for statement in ast.walk(node) for name in _names(statement)}
        else:
            found |= {name: set() for name in _names(node)}
    return found


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [t.id if isinstance(t, ast.Name) else t.attr for t in targets if isinstance(t, ast.Name | ast.Attribute)]
    return []


@pytest.fixture(scope="module")
def defined() -> dict[str, Defined]:
    """What every module of the package defines, by its path below `src/segue`."""
    return {path.relative_to(SOURCE).as_posix(): _defined(ast.parse(path.read_text())) for path in SOURCE.rglob("*.py")}


@pytest.mark.parametrize("page", HAND_WRITTEN)
def test_files_and_folders_that_a_page_names_exist(page: str) -> None:
    named = [name for name in re.findall(r"`([\w/]+(?:/|\.py))`", PAGES[page]) if not name.startswith("DIR/")]
    missing = [name for name in named if not any((folder / name).exists() for folder in (SOURCE, ROOT))]
    assert not missing


@pytest.mark.parametrize("page", HAND_WRITTEN)
def test_methods_that_a_page_names_exist(page: str, defined: dict[str, Defined]) -> None:
    classes = {name: members for module in defined.values() for name, members in module.items() if members}
    named = re.findall(r"`([A-Z]\w+)\.([a-z_]\w*)`", PAGES[page])
    named = [(owner, member) for owner, member in named if (owner, member) != ("README", "md")]
    missing = [f"{owner}.{member}" for owner, member in named if member not in classes.get(owner, ())]
    assert not missing


@pytest.mark.parametrize("page", HAND_WRITTEN)
def test_a_function_stands_in_the_file_that_a_page_puts_behind_it(page: str, defined: dict[str, Defined]) -> None:
    named = re.findall(r"`(\w+)(?:\.\w+)?`\s(?:\(|in\s)`([\w/]+\.py)`", PAGES[page])
    named += [(name, file) for file, name in re.findall(r"\| `([\w/]+\.py)` \| `(\w+)(?:\.\w+)?`", PAGES[page])]
    named = [(name, file) for name, file in named if not file.startswith("tests/")]
    wrong = [(name, file) for name, file in named if name not in defined.get(file, ())]
    assert not wrong


def test_the_list_of_modules_names_each_once_with_the_package_that_holds_it() -> None:
    listed = []
    for section in PAGES["structure.md"].split("\n## ")[1:]:
        package = section.split("\n", 1)[0].replace("/", ".")
        listed += [f"{package}.{name}" for name in re.findall(r"^\| \d+ \| `(\w+)(?:/|\.py)`", section, re.MULTILINE)]
    assert sorted(listed) == sorted(modules().keys() - {"segue"})


def test_a_module_that_imports_stands_above_what_it_imports_and_a_circle_on_one_level() -> None:
    graph = {"top": {"a", "low"}, "a": {"b"}, "b": {"a", "low"}, "low": set[str](), "alone": set[str]()}
    assert depths(graph) == {"top": 3, "a": 2, "b": 2, "low": 1, "alone": 1}
    assert circles(graph) == [{"a", "b"}]
