"""04: compare the copy with the table, look at what differs, limit the recovery to the damage.

Open `diff` first, then `explorer`. May import restore, start, session.
"""
