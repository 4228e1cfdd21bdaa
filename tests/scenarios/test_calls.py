"""S16: a call of a tool and its result are appended, and the client writes the call's JSON in its own way."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.api.test_kept_replies import CALL, RESULT, TEMPLATE, TOOLS, USER, echoed
from tests.kit.models import MODELS, model_path
from tests.kit.served import Served, served

RAW = "<think>\nlook\n</think>\n\n" + CALL
BEHIND = "<|im_end|>\n<|im_start|>tool\na door<|im_end|>\n<|im_start|>assistant\n"
SYSTEM = {"role": "system", "content": "You look at things. " * 40}


def n_read(server: Served, *messages: Mapping[str, object], writes: str) -> int:
    """How many prompt tokens a turn reads whose reply is steered."""
    reply = server.chat(messages, tools=TOOLS, lark=f"start: {json.dumps(writes)}", max_tokens=400, ignore_eos=False)
    assert reply["usage"]["completion_tokens"] > len(writes) // 8
    return int(reply["timings"]["prompt_n"])


@pytest.mark.parametrize("name", MODELS)
def test_s16_a_call_written_otherwise_reads_the_result_only(name: str, tmp_path: Path) -> None:
    (tmp_path / "template.jinja").write_text(TEMPLATE)
    template, cache = str(tmp_path / "template.jinja"), str(tmp_path / "cache")
    flags = ["-c", "4096", "-np", "2", "--chat-template-file", template, "--cache-dir", cache]
    with served(model_path(name), *flags) as server:
        n_behind = len(server.client.post("/tokenize", json={"content": BEHIND}).json()["tokens"])
        whole = n_read(server, SYSTEM, USER, writes=RAW)
        assert whole > 500
        assert n_read(server, SYSTEM, USER, echoed(), RESULT, writes="done") <= n_behind
        assert n_read(server, SYSTEM, USER, echoed(), {**RESULT, "content": "a wall"}, writes="done") <= n_behind
        assert server.stop() == 130
    with served(model_path(name), *flags) as server:
        assert n_read(server, SYSTEM, USER, echoed(), {**RESULT, "content": "a pit"}, writes="done") <= n_behind
