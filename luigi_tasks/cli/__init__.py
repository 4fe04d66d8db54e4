"""The command `socialmart`: what people ask beside running the pipeline."""
