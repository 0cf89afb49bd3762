"""06 and 14: the report, and deleting what the incident made; the history of drills, which reports show.

Open `report` (06) and `clean_up` (14) first. May import timeline, copy_back, diff, adopt, session.
"""
