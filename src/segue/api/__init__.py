"""HTTP: takes requests and sends replies in the formats of OpenAI, Anthropic and llama-server."""
