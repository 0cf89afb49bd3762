"""Operations that moto lacks: PITR, backups, streams, CloudWatch, CloudTrail, AWS Backup.

One module each; open `pitr` first. May import protocol, store.
"""
