"""The log for operators, with a line that explains each request."""
