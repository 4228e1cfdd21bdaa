"""Common prefixes."""

from os.path import commonprefix

import hypothesis.strategies as st
from hypothesis import given

from segue.chat.prefix import common_prefix


@given(st.text("ab"), st.text("ab"))
def test_common_prefix(a: str, b: str) -> None:
    assert common_prefix(a, b) == len(commonprefix([a, b]))  # noqa: RUF071
