"""Schemathesis on what the server says of itself."""

import re
import subprocess
from pathlib import Path

from tests.fuzz.probe import Holder
from tests.kit.served import Served

# 501 says that a field asks for what is not there; the description cannot say that.
_SETTINGS = '[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", 501]\n'


def fuzz_described(program: str, server: Served, holder: Holder, n_examples: int, folder: Path) -> int:
    """So many examples of each endpoint; how many requests that were. Raises AssertionError if one failed."""
    (folder / "schemathesis.toml").write_text(_SETTINGS)
    authorization = f"Authorization: {holder.headers['Authorization']}"
    command = [program, "run", f"{server.client.base_url}/openapi.json", "-H", authorization, "--seed", "1"]
    command += ["--checks", "not_a_server_error", "--max-examples", str(n_examples), "--request-timeout", "60"]
    done = subprocess.run(command, cwd=folder, env={"HOME": str(folder)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]
    found = re.search(r"(\d+) generated", done.stdout)
    assert found, done.stdout[-4000:]
    return int(found[1])
