"""What all APIs share below HTTP: the loaded model with its text tools, errors, API keys, plans and reports."""
