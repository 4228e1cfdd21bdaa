"""POST /infill."""

from typing import Any

import pytest

from segue.engine.fim import FimTokens
from tests.kit.byte_vocabulary import BOS, ByteVocabulary
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live

PATH = "/infill"
NAMES = {BOS: "^", 0: "[P]", 1: "[S]", 2: "[M]", 3: "[R]", 4: "[F]"}


class Gaps(ByteVocabulary):
    """The byte vocabulary with control characters for gaps."""

    def __init__(self, *extra: int) -> None:
        self.fim = FimTokens(0, 1, 2, *extra)


def asked(running: Live, **body: Any) -> str:
    """The prompt that a request comes to, with names for its marks."""
    response = running.post(PATH, **body)
    assert response.status_code == 200, response.text
    tokens = running.loop.jobs[-1].tokens.tolist()
    return "".join(NAMES.get(token) or chr(token) for token in tokens)


def test_a_gap_lies_between_prefix_and_suffix() -> None:
    with live(vocabulary=Gaps()) as running:
        assert asked(running, input_prefix="a(", input_suffix=")b") == "^[P]a([S])b[M]"
        assert asked(running, input_prefix="a(", input_suffix=")b", prompt="x") == "^[P]a(x[S])b[M]"
        assert asked(running) == "^[P][S][M]"
        response = running.post(PATH, input_prefix="a<s>", n_predict=3, seed=1).json()
        assert (response["tokens_predicted"], response["stop_type"]) == (3, "limit")
        assert running.loop.jobs[-1].tokens.tolist() == [BOS, 0, *b"a<s>", 1, 2]


def test_other_files_come_first() -> None:
    extra = [{"filename": "a.py", "text": "A"}, {"text": "B"}]
    with live(vocabulary=Gaps(3, 4)) as running:
        prompt = asked(running, input_prefix="p", input_suffix="s", input_extra=extra)
        assert prompt == "[R]myproject\n[F]a.py\nA[F]tmp\nB[F]filename\n^[P]p[S]s[M]"
    with live(vocabulary=Gaps()) as running:
        prompt = asked(running, input_prefix="p", input_suffix="s", input_extra=extra)
        assert prompt == "\n\n--- snippet ---\n\nA\n\n--- snippet ---\n\nB^[P]p[S]s[M]"


def test_what_does_not_fit_is_left_out_from_afar() -> None:
    with live(FakeLoop(n_ctx=100), vocabulary=Gaps()) as running:
        extra = [{"text": "x" * 100}]
        near = asked(running, input_prefix="p" * 30, input_suffix="s" * 30, input_extra=extra, n_predict=10)
        assert near == "x" * 25 + "^[P]" + "p" * 30 + "[S]" + "s" * 30 + "[M]"
        far = asked(running, input_prefix="q" + "p" * 99, input_suffix="s" * 99 + "t", input_extra=extra, n_predict=11)
        assert far == "^[P]" + "p" * 63 + "[S]" + "s" * 21 + "[M]"
        assert len(running.loop.jobs[-1].tokens) + 11 < 100
        one_sided = asked(running, input_prefix="p" * 99, input_suffix="s", n_predict=11)
        assert one_sided == "^[P]" + "p" * 83 + "[S]s[M]"
        assert running.post(PATH, prompt="x" * 100).status_code == 400


def test_a_stream() -> None:
    with live(vocabulary=Gaps()) as running:
        assert len(running.events(PATH, input_prefix="p", n_predict=3)) == 4


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"input_prefix": 3}, "input_prefix"),
        ({"input_suffix": []}, "input_suffix"),
        ({"prompt": [1]}, "prompt"),
        ({"input_extra": "x"}, "input_extra"),
        ({"input_extra": [{"text": 3}]}, "input_extra.0.text"),
        ({"input_extra": [{"filename": "a"}]}, "input_extra.0.text"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], part: str) -> None:
    with live(vocabulary=Gaps()) as running:
        response = running.post(PATH, **fields)
    assert response.status_code == 400
    assert part in response.json()["error"]["message"]


def test_a_vocabulary_without_gaps(server: Live) -> None:
    error = server.post(PATH, input_prefix="p").json()["error"]
    assert (error["code"], error["type"]) == (501, "not_supported_error")
    assert "Infill is not supported by this model" in error["message"]


def test_the_suffix_comes_first_where_the_server_is_told_so() -> None:
    with live(vocabulary=Gaps(), spm_infill=True) as running:
        assert asked(running, input_prefix="a(", input_suffix=")b", prompt="x") == "^[S])b[P]a(x[M]"
