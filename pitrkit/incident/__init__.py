"""The incident's folder: `incident.json`, the hash-chained event log, locks, the working copy of its notebooks.

Open `incident` first, then `event_log` and `state`. May import aws/client and
the ground (`times`, `files`, `documents`, `errors`).
"""
