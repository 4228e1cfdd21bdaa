"""llama-server's own endpoints for text."""
