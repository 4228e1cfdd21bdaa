"""HTTP: requests in, replies out, in the shapes of OpenAI, Anthropic and llama-server."""
