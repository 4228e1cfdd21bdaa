"""The real command, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from segue.sim.registry import POLICIES
from tests.kit.waiting import PATIENCE_S


def segue_sim(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-W", "error", "-m", "segue", "sim", *arguments]
    environment = os.environ | {"COLUMNS": "80", "NO_COLOR": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three agents with a system prompt in common, four turns each."""
    rows = []
    for agent in range(3):
        said = "You help. " * 40
        for turn in range(4):
            said += f"agent {agent} asks {turn} and then more. "
            reply = f"answer {turn}. "
            at_us = 1_000_000 * (100 * turn + agent)
            rows.append({"timestamp": at_us, "input": said, "output": reply, "session_id": str(agent)})
            said += reply
    made = tmp_path_factory.mktemp("recording") / "agents.jsonl"
    made.write_text("\n".join(map(json.dumps, rows)))
    return made


def test_a_replay_as_json(path: Path) -> None:
    run = segue_sim("replay", str(path), "--format", "text", "--capacity", "2,1GiB,inf", "--json")
    assert (run.returncode, run.stderr) == (0, "")
    results = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(r["policy"], r["capacity"]) for r in results] == [
        (name, room) for name in POLICIES for room in ("2", "1GiB", "inf")
    ]
    for found in results:
        assert found["requests"] == 12
        assert found["hit_tokens"] <= found["oracle_hit_tokens"] < found["prompt_tokens"]
        assert 0 <= found["ttft_p50_s"] <= found["ttft_p95_s"]
    assert len({found["oracle_hit_tokens"] for found in results}) == 1


def test_a_replay_as_a_table(path: Path) -> None:
    run = segue_sim("replay", str(path), "--format", "text", "--policy", "segue,attention", "--conversations", "2")
    assert (run.returncode, run.stderr) == (0, "")
    lines = run.stdout.splitlines()
    assert lines[0].startswith("8 requests, ")
    assert [line.split()[0] for line in lines[-2:]] == ["segue", "attention"]
    assert lines[-1].split()[1:6] == ["inf", lines[-1].split()[2], "%", "100.00", "%"]
    assert max(map(len, lines)) <= 80


def test_a_comparison(path: Path, tmp_path: Path) -> None:
    run = segue_sim("compare", str(path), "--format", "text", "--capacity", "inf,2,4", "--out", str(tmp_path / "new"))
    assert (run.returncode, run.stderr) == (0, "")
    assert (tmp_path / "new" / "text.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "new" / "text.html").read_text()
    assert '"capacities": ["2", "4", "inf"]' in page
    for word in ("http:", "https:", "src=", "@import", "url("):
        assert word not in page.replace("http://www.w3.org/", "")


def test_tuning_says_before_and_after_on_every_recording(path: Path) -> None:
    run = segue_sim("tune", str(path), "--format", "text", "--capacity", "2", "--also", f"text={path}")
    assert (run.returncode, run.stderr) == (0, "")
    head, _, table = run.stdout.partition("\n}\n")
    assert json.loads(head + "}")["fork_s"] > 0
    rows = [line.split() for line in table.splitlines()[2:]]
    assert [row[:2] for row in rows] == [["agents", "2"], ["agents", "2"]]
    assert rows[0] == rows[1]
    assert float(rows[0][2]) <= float(rows[0][4])


def test_a_fleet(path: Path) -> None:
    options = ("--format", "text", "--replicas", "1,3", "--users", "2", "--seconds", "60", "--capacity", "4")
    run = segue_sim("fleet", str(path), *options)
    assert (run.returncode, run.stderr) == (0, "")
    rows = [line.split()[:5] for line in run.stdout.splitlines()[2:]]
    routings = ("round-robin", "session", "prefix", "depth")
    assert rows == [
        [n, str(2 * int(n)), routing, "4", shared] for n in "13" for routing in routings for shared in ("no", "yes")
    ]


@pytest.mark.parametrize("command", ["replay", "compare", "tune", "fleet"])
def test_a_recording_that_is_not_there(command: str, tmp_path: Path) -> None:
    run = segue_sim(command, str(tmp_path / "nothing"), "--format", "mooncake")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.startswith(f"segue: {tmp_path}/nothing is not a mooncake trace: ")


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--policy", "lru,fifo", "there is no policy 'fifo'"),
        ("--capacity", "8GB", "'8GB' is neither"),
        ("--model", "GPT", "there is no model 'GPT'"),
        ("--concurrency", "0", "Must be > 0"),
    ],
)
def test_what_is_refused(option: str, value: str, says: str, path: Path) -> None:
    run = segue_sim("replay", str(path), "--format", "text", option, value)
    assert (run.returncode, run.stdout) == (2, "")
    assert says in run.stderr
    assert run.stderr.count("\n") == 1


def test_the_simulator_imports_pure_logic_alone() -> None:
    code = (
        "import pkgutil, sys, importlib, segue.sim as sim\n"
        "for found in pkgutil.walk_packages(sim.__path__, 'segue.sim.'): importlib.import_module(found.name)\n"
        "print(sorted({name.split('.')[1] for name in sys.modules if name.startswith('segue.')}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "['common_prefix', 'memory', 'policy', 'prefix', 'sim']\n"
