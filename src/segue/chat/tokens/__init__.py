"""Text to tokens, each text between two special tokens only once."""
