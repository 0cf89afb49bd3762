"""IAM and resource policies that are enforced. Open `authority` first.

May import protocol, store.
"""
