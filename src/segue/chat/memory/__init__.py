"""Remembers conversations: replies as the model wrote them, the time they began, the order of their tools."""
