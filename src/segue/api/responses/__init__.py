"""OpenAI's Responses API: items in, items out, stored between requests. The model sees a chat."""
