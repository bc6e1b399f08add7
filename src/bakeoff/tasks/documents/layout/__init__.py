"""From characters with boxes to a page that reads: lines, columns, blocks, figures."""
