"""What is remembered of conversations: replies as written, their time, the order of tools."""
