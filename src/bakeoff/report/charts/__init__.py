"""Charts: numbers in, SVG text out. One file per mark.

    svg.py        the figure, scales, axes and marker shapes that all share
    dots.py       dot and interval in aligned panels; differences against zero; volumes against a reference
    scatter.py    quality against cost, with the front
    strips.py     every measured time as a dot, with percentiles
    lines.py      learning curves and reliability
    epochs.py     what was followed during training
    bars.py       shares
    load.py       rate against latency; cumulative distributions

Each function takes the width it is drawn for, in CSS pixels, and lays itself out for it: under 480 a label
stands above its row. Coordinates are rounded to one decimal and nothing is random, so that texts can be
compared. Colours are classes (``c0`` to ``c7`` from `bakeoff.report.palette`) that ``charts.css`` defines for
both themes. At most 2,000 points are drawn in one chart; a caller is told when it shows a sample.
"""
