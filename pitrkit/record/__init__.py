"""The incident's record: sealed, signed, uploaded, and audited by whoever did not run the recovery.

Open `seal` and `audit` first. May import ui, config, incident, aws.
"""
