"""All items of a table on disk, from a scan or a full export. Open `snapshot` first.

May import recovery/storage, recovery/token_bucket, aws.
"""
