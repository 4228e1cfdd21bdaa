"""The layers before every route: paths, CORS, errors, the gate while the model loads, API keys, and connections."""
