"""`socialmart doctor`: checks of settings, folders, programs and the warehouse."""
