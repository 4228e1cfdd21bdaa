"""What a model says, taken apart: reasoning, text and calls of tools, in the form of its family."""
