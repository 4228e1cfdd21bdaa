"""The types of request fields. As in llama-server, null means absent, and a number in quotes is not a number."""

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

T = TypeVar("T")

INT32_MAX = 2**31 - 1
FLOAT32_MAX = 3.4028234663852886e38
MAX_PROBS = 1024


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _not_empty(messages: list[T]) -> list[T]:
    if not messages:
        raise ValueError("it must have at least one message")
    return messages


Int = Annotated[int, Field(strict=True), BeforeValidator(_whole)]
Count = Annotated[Int, Field(ge=0, le=INT32_MAX)]
CountOrAll = Annotated[Int, Field(ge=-1, le=INT32_MAX)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-FLOAT32_MAX, le=FLOAT32_MAX)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(strict=True)]
StopWord = Annotated[Text, Field(max_length=512)]
"""Long ones would cost memory by the square of their length."""
Items = Annotated[list[T], Field(fail_fast=True)]
"""Only the first wrong item is told: a body may have a hundred million, and each takes a kilobyte to tell."""
MessageList = Annotated[Items[dict[str, Any]], AfterValidator(_not_empty), Field(json_schema_extra={"minItems": 1})]
Words = Annotated[list[StopWord], Field(max_length=64)]
ProbCount = Annotated[Int, Field(ge=0, le=MAX_PROBS)]
