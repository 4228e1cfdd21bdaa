"""What an operator sees: the log and the explanations of each request."""
