"""The types of request fields.

As in llama-server, null means absent, a number in quotes is not a number, and a whole number loses its fraction.
"""

import math
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

T = TypeVar("T")

INT32_MAX = 2**31 - 1
FLOAT32_MAX = 3.4028234663852886e38
MAX_PROBS = 1024


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and math.isfinite(value) else value


def between(least: float, most: float) -> AfterValidator:
    """Brings a number into a range, as llama-server does with most values of samplers."""
    return AfterValidator(lambda value: min(max(value, least), most))


def at_least(least: float) -> AfterValidator:
    """Brings a number up to the least that means something."""
    return between(least, math.inf)


Int = Annotated[int, Field(strict=True), BeforeValidator(_whole)]
Count = Annotated[Int, Field(ge=0, le=INT32_MAX)]
CountOrAll = Annotated[Int, Field(ge=-1, le=INT32_MAX)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-FLOAT32_MAX, le=FLOAT32_MAX)]
NotNegative = Annotated[Number, at_least(0.0)]
Fraction = Annotated[Number, between(0.0, 1.0)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(strict=True)]
StopWord = Annotated[Text, Field(max_length=512)]
"""Long ones would cost memory by the square of their length."""
Items = Annotated[list[T], Field(fail_fast=True)]
"""Only the first wrong item is reported: a body may have a hundred million, and each report takes a kilobyte."""
MessageList = Items[dict[str, Any]]
Words = Annotated[list[StopWord], Field(max_length=64)]
ProbCount = Annotated[Int, Field(ge=0, le=MAX_PROBS)]
