"""The layers before every route: CORS, errors, the gate while the model loads, API keys."""
