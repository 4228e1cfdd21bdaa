"""The model's chat template: run in a sandbox, and watched, so that message ends are known."""
