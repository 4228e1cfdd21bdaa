"""llama.cpp's grammars."""

import json

import pytest

from segue.grammar import gbnf
from segue.grammar.constraint import from_gbnf
from segue.grammar.errors import ConstraintError
from segue.grammar.gbnf import gbnf_to_lark
from tests.grammar.walk import follow, walk

# The grammar of JSON in the form that llama.cpp's documentation uses.
JSON = r"""
root   ::= object  # a comment with "quotes" and [brackets].
value  ::= object | array | string | number | ("true" | "false" | "null") ws

object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws

array  ::= "[" ws ( value ("," ws value)* )? "]" ws

string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4})
  )* "\"" ws

number ::= "-"? ([0-9] | [1-9] [0-9]{0,15}) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws

ws ::= | " " | "\n" [ \t]{0,20}
"""


# As llama.cpp writes schemas down: names with dashes, a class of one backslash, repeated strings.
CONVERTED = r"""
a-kv ::= "\"a\"" space ":" space integer
b-item ::= string
b-kv ::= "\"b\"" space ":" space "[" space (b-item ("," space b-item){0,2})? "]" space
char ::= [^"\\\x7F\x00-\x1F] | [\\] (["\\bfnrt] | "u" [0-9a-fA-F]{4})
integer ::= ("-"? integral-part) space
integral-part ::= [0] | [1-9] [0-9]{0,15}
root ::= "{" space a-kv ( "," space ( b-kv ) )? "}" space
space ::= | " " | "\n"{1,2} [ \t]{0,20}
string ::= "\"" char{0,5} "\"" space
"""


@pytest.mark.parametrize("seed", range(20))
def test_a_schema_that_llama_cpp_wrote_down(seed: int) -> None:
    value = json.loads(walk(from_gbnf(CONVERTED), seed))
    assert isinstance(value["a"], int)
    assert value.keys() <= {"a", "b"}
    assert all(isinstance(item, str) for item in value.get("b", []))


@pytest.mark.parametrize("seed", range(20))
def test_json(seed: int) -> None:
    assert isinstance(json.loads(walk(from_gbnf(JSON), seed)), dict)


@pytest.mark.parametrize(
    ("grammar", "text"),
    [
        ('root ::= "\\u0041" [\\u0042-\\u0044] "\\U0001F600"', "AB😀"),
        ('root ::= "\\x41" "/" [/a-z] "\\t"', "A/b\t"),
        ('root ::= "\\u00e9" [à-ü] "\\u0022"', 'éê"'),
        ("root ::= .. .", "a\né"),
        ('root ::= "." [.] "#" # not this.', "..#"),
        ('root-Rule ::= "x"\nroot ::= root-Rule{2,3}', "xx"),
        ('root ::= "a" (\n "b" |\n "c" )?', "ac"),
        ('%llguidance {}\nstart: "lark"', "lark"),
    ],
)
def test_what_is_read_as_llama_cpp_reads_it(grammar: str, text: str) -> None:
    assert follow(from_gbnf(grammar), text) == "whole"


@pytest.mark.parametrize(
    ("grammar", "part"),
    [
        ("root ::= x", "'x' not found"),
        ('x ::= "a"', "No 'root' rule"),
        ('root ::= "a"\n\n  "b"', "line 3"),
        ('root ::= "a\\', "escape"),
        ('root ::= "\\q"', "escape"),
        ('root ::= "\\ud800"', "no character"),
        ('root ::= "\\U00110000"', "no character"),
        ("root ::= " + "(" * 5000 + '"a"' + ")" * 5000, "nested"),
        ("a ::= b\n" * 1001, "1000 are allowed"),
        ("x" * 300_000, "262144 are allowed"),
    ],
)
def test_what_is_no_grammar(grammar: str, part: str) -> None:
    with pytest.raises(ConstraintError, match=part):
        gbnf_to_lark(grammar)


def test_as_many_rules_as_are_allowed_take_no_time() -> None:
    rules = "".join(f"a{i} ::= a{i + 1}\n" for i in range(gbnf.MAX_RULES - 2))
    grammar = f'root ::= a0\n{rules}a{gbnf.MAX_RULES - 2} ::= "x"'
    assert follow(from_gbnf(grammar), "x") == "whole"
