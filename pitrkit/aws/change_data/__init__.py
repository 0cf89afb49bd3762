"""What the service keeps of changes: exports to S3, and the table's stream. Open `exports` and `streams` first.

May import aws/backups, aws/tables, aws/client.
"""
