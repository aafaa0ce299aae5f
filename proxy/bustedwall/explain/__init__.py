"""What an error text means: which symptom it is, what may be behind it, and how to tell."""
