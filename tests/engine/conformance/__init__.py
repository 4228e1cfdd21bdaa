"""What every engine promises, as tests: `suite.py` has all of it, in one class for each subject."""
