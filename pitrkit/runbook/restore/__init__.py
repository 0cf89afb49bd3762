"""03: restore or export the table as of the recovery point, and wait for it.

Open `restore` first. May import start, session.
"""
