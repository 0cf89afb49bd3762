"""Operations that moto lacks: PITR, backups, streams, CloudWatch, CloudTrail, AWS Backup. One module each.

May import protocol, store.
"""
