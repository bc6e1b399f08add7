"""What is searched: chunks, terms, vectors, and the stores that keep them."""
