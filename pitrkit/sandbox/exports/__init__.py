"""Exports to S3, full and incremental, computed from a table's past. Open `exports` first.

May import services, access, protocol, store.
"""
