"""Installs the clients: `python -m tests.acceptance.install all`, or `ci` for those of every test run, or names.

What cannot be installed leaves its reason in the client's directory, and the tests that need it say it.
"""

import os
import shutil
import subprocess
import sys
import tarfile
import venv

from tests.acceptance.clients import CLIENTS, DONE, FAILURE, NODE, Client, directory, search_path, wanted

TIMEOUT_S = 600
_N_REASON = 400


def main(names: list[str]) -> int:
    """Install what is named unless it is there; 1 if something could not be."""
    chosen = [c for c in CLIENTS if c.name in names or "all" in names or ("ci" in names and c.in_ci)]
    missing = [client for client in chosen if not _is_there(client)]
    installed = [_install(client) for client in missing]
    return int(not all(installed))


def _is_there(client: Client) -> bool:
    done = client.directory / DONE
    return done.exists() and done.read_text() == wanted(client.packages)


def _install(client: Client) -> bool:
    print(f"{client.name}: {' '.join(client.packages)}", flush=True)
    shutil.rmtree(client.directory, ignore_errors=True)
    client.directory.mkdir(parents=True)
    try:
        reason = {"pip": _pip, "npm": _npm, "sdist": _sdist}[client.source](client)
    except (OSError, subprocess.SubprocessError) as error:
        reason = str(error)
    if reason:
        (client.directory / FAILURE).write_text(reason + "\n")
        print(f"{client.name} could not be installed: {reason}", flush=True)
        return False
    (client.directory / DONE).write_text(wanted(client.packages))
    return True


def _pip(client: Client) -> str:
    venv.create(client.directory, with_pip=True, symlinks=True)
    return _reason([str(client.directory / "bin" / "pip"), "install", "--quiet", *client.packages])


def _npm(client: Client) -> str:
    npm = str(NODE.directory / "bin" / "npm")
    return _reason([npm, "install", "--no-audit", "--no-fund", "--prefix", str(client.directory), *client.packages])


def _sdist(client: Client) -> str:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "llama-cpp-python"]
    reason = _reason([*pip, "--dest", str(client.directory), *client.packages])
    for archive in client.directory.glob("*.tar.gz"):
        with tarfile.open(archive) as file:
            file.extractall(client.directory, filter="data")
        archive.unlink()
    return reason


def _reason(command: list[str]) -> str:
    """Run a command; why it failed, empty if it did not."""
    environment = os.environ | {"PATH": search_path()}
    done = subprocess.run(command, cwd=directory(), env=environment, timeout=TIMEOUT_S, capture_output=True, text=True)
    return (done.stderr.strip() or f"exit code {done.returncode}")[-_N_REASON:] if done.returncode else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
