"""`segue doctor`: what a machine and a model can do together, and what is wrong with a setup."""
