"""OpenAI's Responses API: items in, items out, and what is kept between requests. The model sees a chat."""
