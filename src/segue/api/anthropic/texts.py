"""The text of a tool result that is an error."""

_N_HEAD = 40


def error_text(text: str) -> str:
    """A tool's result that is an error, so that the model sees it is one."""
    return text if "error" in text[:_N_HEAD].lower() else f"Error: {text}"
