import pytest

from segue.commands.cache.ids import check_beginnings, shortened


def test_as_much_is_shown_as_tells_ids_apart() -> None:
    a, b, c, d = "00000000" + 24 * "a", "00000000aab" + 21 * "0", "00000000b" + 23 * "0", "1" + 31 * "0"
    assert shortened([d, b, a, c]) == {a: a[:11], b: b[:11], c: c[:9], d: d[:8]}
    assert shortened([a]) == {a: a[:8]}
    assert shortened([]) == {}


@pytest.mark.parametrize("wrong", ["", "abc", "abcg", "0xabcd", "abcd ", "abcd\n", "-1234", "é234", "1٢34"])
def test_what_no_id_begins_with(wrong: str) -> None:
    for beginnings in (wrong, ["abcd", wrong]):
        with pytest.raises(ValueError, match="is not an id: give at least 4 of the digits that segue cache ls shows"):
            check_beginnings(str, beginnings)


def test_what_an_id_may_begin_with() -> None:
    check_beginnings(str, "0aFf")
    check_beginnings(list[str], ["0123", "abcdef" * 5])
