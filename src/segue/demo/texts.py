"""The texts of the demo's conversations: a coding agent at work on a shop."""

from itertools import product
from typing import Any, Final

_PARTS: Final = (
    *("cart", "catalogue", "checkout", "customers", "discounts", "orders"),
    *("payments", "returns", "shipping", "stock", "taxes"),
)
_FILES: Final = ("models", "prices", "rules", "storage", "views", "errors")

_RULES: Final = """\
You are a coding agent. You work in the repository of a shop, together with one developer who reads every change.
Find out how the code works before you change it. Read a file before you edit it, and read the tests beside it.
Make the smallest change that solves the whole problem. Do not rename, reformat or move what the task does not touch.
Money is counted in whole cents, as int. A float in a price is a bug, even where the tests pass. Round half to even,
once, at the end of a sum, and never line by line. Every currency has its own number of decimals: look it up.
Taxes are rules, not numbers: they differ by country, by kind of goods and by day. Never write a rate into the code.
Write a test that fails first. Run the tests of the part you changed, then all tests. Report what failed as it is.
Do not delete a test to make it pass. Do not catch an exception that you cannot handle. Do not log what customers buy.
Ask before you change a table of the database, a public function or the version of a library.
When you are done, say in two sentences what was wrong and what you changed. Name the files. Do not praise yourself.
"""

TIME: Final = "2026-05-04 10:41"
A_MINUTE_LATER: Final = "2026-05-04 10:42"
ANOTHER_MINUTE_LATER: Final = "2026-05-04 10:43"

WHY_A_CENT: Final = (
    "Since the release on Thursday the total of some orders is one cent higher than the sum of their lines. It happens "
    "with three or more lines and a discount in percent, and only for customers in countries with two tax rates. "
    "Support has eleven reports. Where does the cent come from?"
)
THE_CENT: Final = (
    "The discount is taken from each line and rounded there, in src/cart/prices.py. Each rounding may add half a cent, "
    "and with three lines the halves can add up to a whole one. The tax is then computed from the rounded lines, so "
    "two rates make it worse. Rounding the sum once would remove the difference."
)
FIX_IT: Final = (
    "That fits what we see. Please change it so that the discount is rounded once for each tax rate, and add a test "
    "with the order of the first report: 3 lines of 9.99, 4.99 and 0.99, a discount of 15 percent, two rates. Leave "
    "the invoices of past orders as they are."
)
WRITTEN: Final = (
    "The discount was rounded on every line; it is now rounded once for each tax rate, in src/cart/prices.py. The test "
    "in tests/cart/test_prices.py holds the order of the first report; it failed before and passes now."
)
AND_RETURNS: Final = (
    "Good. Returns use the same function, I believe. If somebody sends back one of the three lines, which amount do "
    "they get now, and does it still add up when they send back the other two later?"
)
EXPLAIN_ONLY: Final = (
    "Wait, do not change anything yet. First explain to me which past orders would get another total if we computed "
    "them again, and how I find them in the database. I want to see the numbers before we decide."
)
THE_ORDERS: Final = (
    "All orders since Thursday that have a discount in percent and lines with two tax rates. Compare orders.total with "
    "the sum of order_lines.total for them; where the two differ, the new total would differ from the old one as well."
)
HOW_MANY: Final = "Write that as one query, please, grouped by country, with the largest difference in each of them."
SLOW_SEARCH: Final = (
    "A different matter. Searching the catalogue for a word with an umlaut takes four seconds, and only then. Without "
    "one it takes forty milliseconds. What is different, and how would you find out?"
)
NO_INDEX: Final = (
    "The index is built on the lower-case name, but a word with an umlaut is compared after unaccent(), which the "
    "index does not cover. The plan of the query should show a scan of the whole table for one and not for the other."
)
SHOW_PLAN: Final = "Show me how to print that plan for both words without running the slow query on the live database."
THE_PLAN: Final = "Use explain without analyze: it plans the query and does not run it. Do it once for each word."
ADD_INDEX: Final = "It is a scan, as you said. Which index do we add, and does adding it lock the table?"

FIRST_THOUGHT: Final = (
    "One cent, three lines, percent, two rates. That smells of rounding. Where is the discount applied: on lines or "
    "on the sum? If on lines, then every line may be off by half a cent. I should name the file."
)
READ_THOUGHT: Final = "I have to see how the discount is rounded now, and which tests there are, before I change it."
TEST_THOUGHT: Final = (
    "Now the test of the report: 9.99, 4.99 and 0.99 with 15 percent. It must fail first. Let me run it."
)

SOURCE: Final = """\
def discounted(lines: list[Line], percent: int) -> list[Line]:
    \"\"\"The lines after a discount.\"\"\"
    return [replace(line, price=round(line.price * (100 - percent) / 100)) for line in lines]


def total(lines: list[Line], country: Country) -> int:
    \"\"\"The sum of the lines with tax.\"\"\"
    return sum(line.price + round(line.price * country.rate(line.kind)) for line in lines)
"""
TEST_RUN: Final = """\
tests/cart/test_prices.py ....F
    def test_a_discount_is_rounded_once_for_each_rate() -> None:
>       assert total(discounted(LINES, 15), TWO_RATES) == 1562
E       assert 1563 == 1562
1 failed, 4 passed in 0.31s
"""


def system_prompt(time: str) -> str:
    """The system prompt, with the time at its end as agents like to have it: what follows changes every minute."""
    files = "\n".join(f"src/{part}/{file}.py" for part, file in product(_PARTS, _FILES))
    tests = "\n".join(f"tests/{part}/test_{file}.py" for part, file in product(_PARTS, _FILES))
    return f"{_RULES}\nThe files:\n{files}\n{tests}\n\nThe time is {time}."


def tools() -> tuple[dict[str, Any], ...]:
    """The tools that the agent may call."""
    return (
        _tool("read_file", "Read a text file of the repository, or a part of it.", path="The file.", line="From here."),
        _tool(
            "edit_file", "Replace a text in a file.", path="The file.", old="The text as it is.", new="As it shall be."
        ),
        _tool("search", "Find a regular expression in the repository.", pattern="What to find.", folder="Where."),
        _tool("run_tests", "Run tests and return what they print.", path="A file or folder with tests."),
    )


def _tool(name: str, description: str, **parameters: str) -> dict[str, Any]:
    properties = {key: {"type": "string", "description": text} for key, text in parameters.items()}
    schema = {"type": "object", "properties": properties, "required": list(parameters)[:1]}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": schema}}
