"""What serves a request, whatever API it comes by: the model with its text tools, plans, errors, reports."""
