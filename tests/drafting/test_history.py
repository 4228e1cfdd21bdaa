"""What stood behind the same tokens before, and in whose text."""

import numpy as np
import pytest
from numpy.typing import NDArray

from segue.drafting.history import History


def _tokens(*ids: int) -> NDArray[np.int32]:
    return np.array(ids, np.int32)


def test_what_stood_behind_the_same_tokens_is_found() -> None:
    history = History(1000)
    history.begin("a", np.arange(100, dtype=np.int32))
    run = history.begin("a", _tokens(500, 41, 42, 43))
    found = history.follow(run, 4)
    assert found is not None
    assert (found.tokens.tolist(), found.n_match) == ([44, 45, 46, 47], 3)


def test_the_longer_sequence_counts_before_the_later_one() -> None:
    history = History(1000)
    history.begin("a", _tokens(1, 2, 3, 4, 5, 6, 7, 8, 9, 100))
    history.begin("a", _tokens(70, 7, 8, 9, 200))
    found = history.follow(history.begin("a", _tokens(1, 2, 3, 4, 5, 6, 7, 8, 9)), 1)
    assert found is not None
    assert (found.tokens.tolist(), found.n_match) == ([100], 9)


def test_a_reply_is_found_as_it_grows() -> None:
    history = History(1000)
    run = history.begin("a", _tokens(1, 2, 3))
    assert history.follow(run, 5) is None
    for token in (4, 5, 1, 2, 3):
        history.append(run, token)
    found = history.follow(run, 5)
    assert found is not None
    assert found.tokens.tolist() == [4, 5, 1, 2, 3]


def test_the_latest_place_counts() -> None:
    history = History(1000)
    history.begin("a", _tokens(1, 2, 3, 7))
    run = history.begin("a", _tokens(1, 2, 3, 8, 1, 2, 3))
    found = history.follow(run, 1)
    assert found is not None
    assert found.tokens.tolist() == [8]


def test_no_namespace_sees_the_text_of_another() -> None:
    history = History(1000)
    rng = np.random.default_rng(1)
    shared = rng.integers(0, 50, 200).astype(np.int32)
    history.begin("a", shared)
    assert history.follow(history.begin("a", shared[:20]), 8) is not None
    assert all(history.follow(history.begin(f"b{n}", shared[:n]), 8) is None for n in (3, 20, 100))
    assert not history.knows("c", shared[:100])


@pytest.mark.parametrize("n_most", [64, 256])
def test_the_oldest_text_is_forgotten_first(n_most: int) -> None:
    history = History(n_most)
    for start in range(0, 1000, 20):
        history.begin("a", np.arange(start, start + 20, dtype=np.int32))
    known = [history.knows("a", np.arange(start, start + 10, dtype=np.int32)) for start in range(0, 1000, 20)]
    assert known == sorted(known)
    assert 20 * sum(known) <= n_most
    assert sum(known) >= n_most // 20 - 1


def test_a_reply_longer_than_the_limit_ends_nothing() -> None:
    history = History(64)
    run = history.begin("a", _tokens(1, 2, 3))
    other = history.begin("a", _tokens(9, 8, 7))
    for token in range(100, 300):
        history.append(run, token)
        history.append(other, token % 7)
    assert history.follow(run, 3) is None
    assert history.follow(other, 3) is not None


def test_random_texts_are_continued_as_they_were() -> None:
    history = History(10_000)
    rng = np.random.default_rng(3)
    texts = [rng.integers(0, 1000, 300).astype(np.int32) for _ in range(10)]
    for text in texts:
        history.begin("a", text)
    n_found = 0
    for text in texts:
        for n in rng.integers(8, 290, 20).tolist():
            found = history.follow(history.begin("a", text[n - 8 : n]), 5)
            if found is not None and found.n_match == 8:
                n_found += 1
                assert found.tokens.tolist() == text[n : n + 5].tolist()
    # Two sequences may fall on one place of the table: the later one stays.
    assert n_found > 160
