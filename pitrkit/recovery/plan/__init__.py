"""The exact writes of a recovery, each with its guard, and what has to be known before. Open `plan`, then `guard`.

May import changes, recovery/storage, aws.
"""
