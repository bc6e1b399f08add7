"""The default corpus: documents of an invented company, made on first use, with everything about them known."""
