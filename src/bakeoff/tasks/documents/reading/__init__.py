"""From a PDF file to what a reader can see of it: in a process that can be killed, page by page."""
