"""Metadata of a file with overrides."""

from segue.engine.kv_overrides import replaced

META = {"a": "1", "b": "0.500000", "c": "true", "d": "text"}


def test_an_override_of_the_files_type_counts_and_the_first_of_several() -> None:
    assert replaced(META, [("a", 2), ("b", 1.5), ("c", False), ("d", "x"), ("e", "new"), ("a", 3)]) == {
        "a": "2",
        "b": "1.5",
        "c": "false",
        "d": "x",
        "e": "new",
    }


def test_an_override_of_another_type_is_passed_over() -> None:
    assert replaced(META, [("a", "2"), ("a", 2.0), ("a", True), ("b", 1), ("c", 1), ("d", 1)]) == META
