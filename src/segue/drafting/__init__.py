"""Guesses the next tokens of replies, so that one call of the engine can verify several."""
