"""The DynamoDB service as it really is: sessions, items, tables, point-in-time recovery, backups, activity."""
