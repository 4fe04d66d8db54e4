"""The command `socialmart`: what people do with the pipeline besides running it from cron."""
