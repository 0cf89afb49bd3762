"""02: choose the recovery point, by the table's writes and deployments and the evidence in its change log.

Open `pick_timestamp` first. May import change_log, start, session.
"""
