"""The commands of `socialmart`: what each takes, and how it shows what it found."""
