"""PITR, restores, on-demand backups and AWS Backup. Open `pitr` and `backups` first.

May import aws/tables, aws/client.
"""
