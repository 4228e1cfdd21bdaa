"""Text to tokens and back: templates, message ends, stop strings."""
