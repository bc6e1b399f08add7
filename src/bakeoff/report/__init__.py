"""What people read: the page (HTML), the memo (Markdown) and the table at the end of a run (terminal).

Each is a pure function of one `bakeoff.decide.record.Document`; no figure is worked out here that does
not stand in it::

    from bakeoff.report.page import page
    from bakeoff.report.memo import memo
    from bakeoff.report.table import terminal
"""
