"""Segue beside llama-server and beside bare libllama: `python -m bench` measures, and writes a report with a plot."""
