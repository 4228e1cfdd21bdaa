"""Anthropic's Messages API, translated to OpenAI's chats."""
