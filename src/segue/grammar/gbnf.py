"""llama.cpp's grammars (GBNF) as Lark: llguidance's converter, after a repair of the rules that it gets wrong."""

import re

from llguidance import gbnf_to_lark as converter

from segue.grammar.errors import ConstraintError

MAX_GBNF_BYTES = 256 << 10
# The converter's search for terminals takes time with the square of their number.
MAX_RULES = 1000

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#[^\r\n]*|\.', re.DOTALL)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|\\.", re.DOTALL)
# In GBNF a dot is any character, in regular expressions any but a newline.
_ANY = f"[\\x00-{chr(0x10FFFF)}]"


def gbnf_to_lark(grammar: str) -> str:
    """Convert a grammar. Raises ConstraintError with the line, where it is not one. Lark is left as it is."""
    if len(grammar) > MAX_GBNF_BYTES:
        raise ConstraintError(f"it has {len(grammar)} characters, and {MAX_GBNF_BYTES} are allowed")
    if converter.is_lark_syntax(grammar):
        return grammar
    if grammar.count("::=") > MAX_RULES:
        raise ConstraintError(f"it has {grammar.count('::=')} rules, and {MAX_RULES} are allowed")
    try:
        return converter.gbnf_to_lark(_TOKEN.sub(_mended, grammar))
    except RecursionError as error:
        raise ConstraintError("it is nested too deeply") from error
    except IndexError as error:
        raise ConstraintError("it ends within an escape sequence") from error
    except Exception as error:  # the converter raises plain ones
        raise ConstraintError(str(error)) from error


def _mended(found: re.Match[str]) -> str:
    token = found[0]
    if token == ".":
        return _ANY
    return token if token.startswith("#") else _ESCAPE.sub(_character, token)


def _character(found: re.Match[str]) -> str:
    """An escaped code point as the character itself, or in the one form of escape that Lark reads."""
    digits = found[1] or found[2]
    if digits is None:
        return found[0]
    code = int(digits, 16)
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        raise ConstraintError(f"{found[0]} is no character")
    return f"\\x{code:02x}" if code < 0x80 else chr(code)
