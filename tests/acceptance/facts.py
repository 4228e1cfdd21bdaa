"""Why some prompts do not go on from what was said: marks for cases that fail until they do."""

import pytest

from tests.acceptance.reading import NotEchoedError


def _fails(reason: str) -> pytest.MarkDecorator:
    return pytest.mark.xfail(strict=True, raises=NotEchoedError, reason=reason)


TEMPLATE_WRITES = _fails(
    "calls go through the template once more, and it writes JSON with spaces where there were none"
)
DROPS_REASONING = _fails("the client does not send reasoning_content back")
