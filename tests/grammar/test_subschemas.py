"""The parts of a JSON schema."""

from segue.grammar.subschemas import pointer, subschemas


def test_every_part_that_is_a_schema() -> None:
    schema = {
        "$defs": {"d": {"title": "d"}},
        "properties": {"items": {"title": "p"}},
        "items": [{"title": "i"}],
        "anyOf": [{"title": "0"}, {"title": "1"}],
        "not": {"title": "n"},
        "const": {"properties": {"x": {}}},
        "additionalProperties": False,
    }
    found = {pointer(path): inner["title"] for path, inner in subschemas(schema)}
    assert found == {
        "/$defs/d": "d",
        "/properties/items": "p",
        "/items/0": "i",
        "/anyOf/0": "0",
        "/anyOf/1": "1",
        "/not": "n",
    }


def test_a_pointer_is_escaped() -> None:
    assert pointer(("a/b", "c~d")) == "/a~1b/c~0d"
    assert pointer(()) == ""
