"""What is checked and told before a model is loaded."""

import pytest

from segue.commands.serve.start import make_service
from segue.settings import Settings


def test_unknown_samplers_are_told_and_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    service = make_service(Settings(model="fake.gguf", samplers="top_k;warp;temperature;tfs_z"))
    assert service.sampling.samplers == ("top_k", "temperature")
    assert caplog.messages[0].startswith("--samplers: passed over: warp, tfs_z; known are penalties")
