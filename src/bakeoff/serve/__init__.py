"""An endpoint for any fitted approach: HTTP in front of the same two verbs. Knows approaches, not run folders."""
