"""From a question to passages in rank order."""
