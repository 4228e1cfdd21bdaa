"""Anthropic's API, on the same path as OpenAI's chats."""
