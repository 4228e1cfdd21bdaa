"""`segue demo`: a tiny hybrid model, served, and an agent conversation against it."""
