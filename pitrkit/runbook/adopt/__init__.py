"""11 and 13: bring a deleted table back; adopt the restored copy instead of copying back.

Open `deleted_table` (11) and `cut_over` (13) first. May import restore, start, session.
"""
