"""llama-server's own endpoints that plan on text."""
