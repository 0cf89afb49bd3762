"""00 and 01: what happened, which table, is it protected, may the caller do what it takes.

Open `start_here` (00) and `select_table` (01) first. May import session.
"""
