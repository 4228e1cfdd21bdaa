"""Writes the generated parts of the documentation, or with --check says which are out of date.

The flags come from `--help` of each command, the modules from their docstrings, the endpoints from the routes.
"""

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "segue"
COMMANDS = (
    "serve",
    "demo",
    "cache",
    *(f"cache {name}" for name in ("ls", "show", "verify", "rm", "prune", "pin")),
    "sim",
    *(f"sim {name}" for name in ("replay", "compare", "tune", "fleet")),
)


def flags() -> str:
    """The help text of every command, as the terminal shows it."""
    environment = os.environ | {"COLUMNS": "110", "NO_COLOR": "1", "TERM": "dumb"}
    parts = ["# Commands and flags\n\nGenerated from the program's help by `make docs`.\n"]
    for command in COMMANDS:
        arguments = [sys.executable, "-m", "segue", *command.split(), "--help"]
        run = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment)
        text = "\n".join(line.rstrip() for line in run.stdout.strip().splitlines())
        parts.append(f"\n## segue {command}\n\n```text\n{text}\n```\n")
    return "".join(parts)


def structure() -> str:
    """Every module once, with the first sentence of its docstring; packages from the top layer to the lowest."""
    layers = _layers()
    lines = [
        "# Structure\n",
        "Generated from the modules' docstrings by `make docs`. A package imports from lower layers only:\n",
        *(f"{number}. {', '.join(f'`{name}`' for name in layer)}" for number, layer in enumerate(layers, 1)),
        "",
        "Only `engine` imports `llama_cpp`, and only `grammar` imports `llguidance`.\n",
    ]
    rank = {name: number for number, layer in enumerate(layers) for name in layer}

    def place(folder: Path) -> tuple[int, Path]:
        inside = folder.relative_to(SOURCE).parts
        return (rank[inside[0]] if inside else -1), folder

    for folder in sorted((path.parent for path in SOURCE.rglob("__init__.py")), key=place):
        lines.append(f"## {folder.relative_to(SOURCE.parent)}\n\n{_first_sentence(folder / '__init__.py')}\n")
        modules = sorted(path for path in folder.glob("*.py") if path.name != "__init__.py")
        if modules:
            lines.append("| module | what |\n|---|---|")
            lines += [f"| `{path.name}` | {_first_sentence(path)} |" for path in modules]
            lines.append("")
    return "\n".join(lines)


def endpoints() -> str:
    """Every route with the first paragraph of its handler's docstring."""
    from segue.api.app import create_app
    from segue.commands.serve.start import make_service
    from segue.settings import Settings

    paths = create_app(make_service(Settings())).openapi()["paths"]
    lines = ["# Endpoints\n", "Generated from the routes by `make docs`.\n", "| | path | what |\n|---|---|---|"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            text = operation.get("description", "").split("\n\n")[0].replace("\n", " ")
            lines.append(f"| {method.upper()} | `{path}` | {text} |")
    return "\n".join(lines) + "\n"


def _layers() -> list[list[str]]:
    """What stands directly in `segue`, from the top layer to the lowest, as import-linter checks it."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract.get("containers") == ["segue"])
    return [layer.split(" | ") for layer in layers]


def _first_sentence(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, f"{path} has no docstring"
    return docstring.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


GENERATED: dict[str, Callable[[], str]] = {
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
