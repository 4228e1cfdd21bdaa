"""HTTP: the OpenAI API and the endpoints of llama-server."""
