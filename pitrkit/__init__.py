"""pitrkit: guided, guarded, auditable recovery of DynamoDB items by point-in-time recovery."""

__version__ = "0.1.0"
