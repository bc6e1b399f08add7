"""Tables of a page: ruled, shaded or aligned by white space, and their rows as sentences."""
