"""Parses replies into reasoning, text and tool calls, in the notation of the model's family."""
