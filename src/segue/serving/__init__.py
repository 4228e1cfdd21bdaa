"""Shared by all APIs below HTTP: the loaded model with its text tools, errors, API keys, plans and reports."""
