"""15: rehearse a recovery on tables made for it, and time it.

Open `drill` first, then `rehearsal`. May import every other room of the runbook but adopt and change_log.
"""
