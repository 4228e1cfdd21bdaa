"""Counts how the package hangs together: `python tools/structure.py [--records MODULE ...] [PACKAGE ...]`.

A room is a file or a folder directly in a package. For each package: its rooms, the imports from one of its rooms to
another, and on how many levels they lie. For all of `segue`: modules that import one another, at any depth, and
imports upwards, against the layers of import-linter's contract. Record types are the dataclasses that the named modules
define or import.
"""

import argparse
import ast
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"

Graph = dict[str, set[str]]


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted((SOURCE / "segue").rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(found: Mapping[str, Path]) -> Graph:
    """Which modules each module imports, in functions too."""
    graph: Graph = {name: set() for name in found}
    for name, path in found.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    graph[name].add(whole if whole in found else node.module)
            elif isinstance(node, ast.Import):
                graph[name].update(alias.name for alias in node.names)
        graph[name] &= found.keys()
        graph[name].discard(name)
    return graph


def rooms(graph: Graph, package: str) -> Graph:
    """The rooms of a package, and which of them import which others."""
    inside = f"{package}."

    def room(name: str) -> str:
        return name.removeprefix(inside).split(".")[0]

    found: Graph = {room(name): set() for name in graph if name.startswith(inside)}
    for name, targets in graph.items():
        if name.startswith(inside):
            found[room(name)] |= {room(target) for target in targets if target.startswith(inside)}
    for name, targets in found.items():
        targets.discard(name)
    return found


def circles(graph: Graph) -> list[set[str]]:
    """The sets of nodes that lead to one another, each of more than one."""
    reached = {name: _reached(graph, name) for name in graph}
    found: list[set[str]] = []
    for name in graph:
        circle = {other for other in reached[name] if name in reached[other]} | {name}
        if len(circle) > 1 and circle not in found:
            found.append(circle)
    return found


def depths(graph: Graph) -> dict[str, int]:
    """How many nodes the longest way down from each node passes through, itself included; a circle counts as one."""
    circle_of = {name: frozenset(circle) for circle in circles(graph) for name in circle}
    found: dict[frozenset[str], int] = {}

    def depth(node: frozenset[str]) -> int:
        if node not in found:
            below = {circle_of.get(target, frozenset([target])) for name in node for target in graph[name]} - {node}
            found[node] = 1 + max(map(depth, below), default=0)
        return found[node]

    return {name: depth(circle_of.get(name, frozenset([name]))) for name in graph}


def levels(graph: Graph) -> int:
    """On how many levels the nodes lie."""
    return max(depths(graph).values(), default=0)


def upwards(graph: Graph) -> list[tuple[str, str]]:
    """The imports that climb from a layer to a higher one, by import-linter's contracts."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        linter = tomllib.load(file)["tool"].get("importlinter", {})
    climbing = []
    for contract in linter.get("contracts", ()):
        if contract["type"] != "layers":
            continue
        heads = [f"{head}." for head in contract.get("containers", [])] or [""]
        layers = [[name.strip(" ()") for name in layer.replace("|", ":").split(":")] for layer in contract["layers"]]
        for head in heads:
            rank = {head + name: i for i, layer in enumerate(layers) for name in layer}
            for name, targets in graph.items():
                own = _rank(rank, name)
                for target in sorted(targets) if own is not None else ():
                    other = _rank(rank, target)
                    if other is not None and own is not None and other < own:
                        climbing.append((name, target))
    return climbing


def records(found: Mapping[str, Path], ways: Iterable[str]) -> list[str]:
    """The dataclasses that modules (or all modules of packages) define or import."""
    dataclasses: set[tuple[str, str]] = set()
    trees = {name: ast.parse(path.read_text()) for name, path in found.items()}
    for name, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(d) for d in node.decorator_list):
                dataclasses.add((name, node.name))
    named: set[tuple[str, str]] = set()
    for name, tree in trees.items():
        if not any(name == way or name.startswith(f"{way}.") for way in ways):
            continue
        named |= {(module, record) for module, record in dataclasses if module == name}
        for part in ast.walk(tree):
            if isinstance(part, ast.ImportFrom):
                named |= {(str(part.module), alias.name) for alias in part.names} & dataclasses
    return sorted(record for _, record in named)


def _reached(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    stack = [start]
    while stack:
        for target in graph[stack.pop()] - found:
            found.add(target)
            stack.append(target)
    return found


def _rank(rank: Mapping[str, int], name: str) -> int | None:
    while name:
        if name in rank:
            return rank[name]
        name = name.rpartition(".")[0]
    return None


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help="by default all that stand directly in segue")
    parser.add_argument("--records", nargs="+", default=[], metavar="MODULE")
    arguments = parser.parse_args()
    found = modules()
    graph = imports(found)
    packages = arguments.packages or ["segue", *sorted({n.rsplit(".", 1)[0] for n in graph if n.count(".") == 2})]
    print(f"{'package':<24}{'rooms':>6}{'imports':>9}{'levels':>8}{'circles':>9}")
    for package in packages:
        inside = rooms(graph, package)
        n_imports = sum(map(len, inside.values()))
        print(f"{package:<24}{len(inside):>6}{n_imports:>9}{levels(inside):>8}{len(circles(inside)):>9}")
    together = circles(graph)
    print(f"modules that import one another: {sum(map(len, together))}, in {len(together)} circles")
    for circle in together:
        print("  " + ", ".join(sorted(circle)))
    climbing = upwards(graph)
    print(f"imports upwards: {len(climbing)}")
    for name, target in climbing:
        print(f"  {name} -> {target}")
    if arguments.records:
        named = records(found, arguments.records)
        print(f"record types: {len(named)}: {', '.join(named)}")


if __name__ == "__main__":
    main()
