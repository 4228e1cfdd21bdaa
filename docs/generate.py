"""Writes the generated parts of the documentation, or with --check says which are out of date.

The flags come from the `--help` of each command and the endpoints from the routes. The list of modules comes from
import-linter's contracts, the imports, and the docstrings, the differences from llama-server from the peer suite.
"""

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segue.commands.serve.llama_flags import LlamaFlag

ROOT = Path(__file__).parents[1]
# The tools are not installed.
sys.path.insert(0, str(ROOT))

from tools.structure import Graph, depths, imports, modules, rooms  # noqa: E402

SOURCE = ROOT / "src" / "segue"
COMMANDS = (
    "serve",
    "doctor",
    "demo",
    "warm",
    "cache",
    *(f"cache {name}" for name in ("ls", "show", "verify", "rm", "prune", "pin")),
    "sim",
    *(f"sim {name}" for name in ("replay", "compare", "tune", "fleet")),
)


def flags() -> str:
    """The help text of every command, as the terminal shows it."""
    environment = os.environ | {"COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb"}
    parts = [
        "# Commands and flags\n\n"
        "Use this page to look up a command or a flag, its default, and the environment variable that sets it.\n"
        "`make docs` generates it from the program's `--help`.\n"
    ]
    for command in COMMANDS:
        arguments = [sys.executable, "-m", "segue", *command.split(), "--help"]
        run = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment)
        text = "\n".join(line.rstrip() for line in run.stdout.strip().splitlines())
        parts.append(f"\n## segue {command}\n\n```text\n{text}\n```\n")
    return "".join([*parts, *_answers()])


def _answers() -> Iterable[str]:
    """What becomes of each of llama-server's flags."""
    from segue.commands.serve.answers import DROPPED
    from segue.commands.serve.llama_flags import llama_flags

    yield (
        "\n## llama-server's flags\n\n"
        "What `segue serve` makes of every flag of llama-server, with its variable and its negations.\n"
        "What is passed over with a warning is told once, when the server starts.\n\n"
    )
    head = "| flag | variable | answer | why, or what happens |\n|---|---|---|---|\n"
    yield head
    yield from map(_answer, llama_flags())
    yield f"\nFlags of older versions, which llama.cpp has dropped:\n\n{head}"
    yield from map(_answer, DROPPED)


def _answer(row: "LlamaFlag") -> str:
    from segue.commands.serve.answers import Verdict, answer_to
    from segue.settings import Settings
    from segue.settings.flags import setting_flags

    def line(names: Iterable[str], verdict: Verdict, text: str) -> str:
        variable = f"`{row.env}`" if row.env else ""
        return f"| {', '.join(f'`{name}`' for name in names)} | {variable} | {verdict} | {text} |\n"

    if row.names[0] in setting_flags():
        text = Settings.model_fields[setting_flags()[row.names[0]].setting].description or ""
        return line([*row.names, *row.negatives], Verdict.TAKEN, text.partition(" (env: ")[0])
    answer, negated = answer_to(row), answer_to(row, is_negated=True) if row.negatives else None
    if negated is None or negated == answer:
        return line([*row.names, *row.negatives], answer.verdict, answer.text)
    return line(row.names, answer.verdict, answer.text) + line(row.negatives, negated.verdict, negated.text)


def structure() -> str:
    """Every module once, with the first sentence of its docstring: packages by layer, their modules by level."""
    contracts = _contracts()
    layers = _layers(contracts)
    lines = [
        "# Structure\n",
        "Use this page to find the module that does something, and to see which modules a change to it can affect:\n"
        "only modules above it import it. Packages come in the order of their layers, and the modules of a package by\n"
        "level, highest first. A module on level 1 imports no other module of its package. A module on a higher level\n"
        "imports one from the level just below it, and none from its own level or above.\n",
        "A package imports only from lower layers:\n",
        *(f"{number}. {', '.join(f'`{name}`' for name in layer)}" for number, layer in enumerate(layers, 1)),
        "",
        "`make check` enforces that order and the other contracts of import-linter in `pyproject.toml`:\n",
        *(f"- {contract['name']}" for contract in contracts),
        "",
        "`make docs` generates this page from the contracts, the imports, and the docstrings of the modules.\n",
    ]
    graph = imports(modules())
    rank = {name: number for number, layer in enumerate(layers, 1) for name in layer}
    lines += _package("segue", "layer", sorted(rank.items(), key=lambda item: item[::-1]))
    for name in rank:
        lines += _packages(graph, f"segue.{name}")
    return "\n".join(lines)


def _packages(graph: Graph, package: str) -> list[str]:
    """The sections of a package and of the packages in it; none for a single module."""
    if not _folder(package).is_dir():
        return []
    level = depths(rooms(graph, package))
    modules = sorted(level.items(), key=lambda item: (-item[1], item[0]))
    lines = _package(package, "level", modules)
    for name, _ in modules:
        lines += _packages(graph, f"{package}.{name}")
    return lines


def _package(package: str, column: str, modules: Iterable[tuple[str, int]]) -> list[str]:
    """The section of one package, with its modules and folders in this order."""
    folder = _folder(package)
    lines = [f"## {folder.relative_to(SOURCE.parent)}\n\n{_first_sentence(folder / '__init__.py')}\n"]
    lines.append(f"| {column} | module | what it does |\n|--:|---|---|")
    for name, number in modules:
        is_folder = (folder / name).is_dir()
        path = folder / name / "__init__.py" if is_folder else folder / f"{name}.py"
        lines.append(f"| {number} | `{name}{'/' if is_folder else '.py'}` | {_first_sentence(path)} |")
    return [*lines, ""]


def endpoints() -> str:
    """Every route with the first paragraph of its handler's docstring."""
    from segue.api.app import create_app
    from segue.commands.serve.start import make_service
    from segue.settings import Settings

    paths = create_app(make_service(Settings())).openapi()["paths"]
    lines = [
        "# Endpoints\n",
        "Use this page to look up a route before you write a client or point one at the server.\n"
        "[clients.md](clients.md) describes requests and responses. `make docs` generates this page from the routes.\n",
        "| method | path | what it does |\n|---|---|---|",
    ]
    for path, methods in paths.items():
        for method, operation in methods.items():
            text = operation.get("description", "").split("\n\n")[0].replace("\n", " ")
            lines.append(f"| {method.upper()} | `{path}` | {text} |")
    return "\n".join(lines) + "\n"


def _contracts() -> list[dict[str, Any]]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        return list(tomllib.load(file)["tool"]["importlinter"]["contracts"])


def _layers(contracts: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """What stands directly in `segue`, from the top layer to the lowest, as import-linter checks it."""
    layers = next(contract["layers"] for contract in contracts if contract.get("containers") == ["segue"])
    return [layer.split(" | ") for layer in layers]


def _folder(package: str) -> Path:
    return SOURCE.parent.joinpath(*package.split("."))


def _first_sentence(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, f"{path} has no docstring"
    return docstring.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def clients() -> str:
    """The page about clients, with the lists of what differs from llama-server as the peer suite has them."""
    with (ROOT / "tests" / "peer" / "deviations.toml").open("rb") as file:
        requests = tomllib.load(file)["deviation"]
    with (ROOT / "tests" / "peer" / "llama_tests.toml").open("rb") as file:
        tests = tomllib.load(file)["fails"]
    with (ROOT / "tests" / "peer" / "fields.toml").open("rb") as file:
        fields = tomllib.load(file)["field"]
    lines = ["| what | how it differs |", "|---|---|"]
    lines += [f"| {item['what']} | {item['why']} |" for item in requests]
    lines += ["", "These fields of llama-server's requests are not taken:", "", "| field | why |", "|---|---|"]
    lines += [f"| `{item['name']}` | {item['why']} |" for item in fields]
    lines += ["", "Of llama.cpp's own tests of its server, those of these things fail:", ""]
    lines += ["| tests | what they test | why they fail |", "|--:|---|---|"]
    lines += [f"| {len(item['tests'])} | {item['what']} | {item['why']} |" for item in tests]
    page = (ROOT / "docs" / "clients.md").read_text()
    before, mark, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    assert mark, "docs/clients.md has lost the place of its lists"
    assert end, "docs/clients.md has lost the end of its lists"
    return f"{before}{mark}\n\n" + "\n".join(lines) + f"\n\n{end}{after}"


_BEGIN = "<!-- make docs writes these lists -->"
_END = "<!-- what follows is written by hand -->"

GENERATED: dict[str, Callable[[], str]] = {
    "docs/clients.md": clients,
    "docs/flags.md": flags,
    "docs/structure.md": structure,
    "docs/endpoints.md": endpoints,
}


def main() -> int:
    """Write all, or compare; 1 if something is out of date."""
    is_check = "--check" in sys.argv[1:]
    stale = []
    for name, make in GENERATED.items():
        path, text = ROOT / name, make()
        if is_check and (not path.exists() or path.read_text() != text):
            stale.append(name)
        elif not is_check:
            path.write_text(text)
    if stale:
        print(f"out of date: {', '.join(stale)}; run make docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
