"""From a request's body to jobs: fields and their types, prompts, constraints, the plan of generation."""
