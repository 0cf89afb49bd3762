"""The options of `pitrkit recover`: what to go back to, what of it, how it is written."""

from __future__ import annotations

import argparse


def add(command: argparse.ArgumentParser) -> None:
    """Add the options of `recover`, but for those of every headless run."""
    command.add_argument("table", help="the damaged table")
    command.add_argument("--at", default="", help="ISO 8601 with Z or an offset, latest, or a duration ago (90m)")
    command.add_argument(
        "--damage-until", default="", metavar="TIME", help="when the damage was done: take back what it did till then"
    )
    command.add_argument(
        "--route",
        default="",
        choices=("restore", "stream", "export"),
        help="what tells the changes; restore if left out",
    )
    command.add_argument(
        "--how",
        default="",
        choices=("restore", "export"),
        help="restore copies of the past into tables, or export them",
    )
    command.add_argument(
        "--bucket", default="", help="S3 bucket of exports; that of the table's earlier ones if left out"
    )
    command.add_argument("--prefix", default="", help="prefix of exports in that bucket")
    command.add_argument("--incident", default="", help="name of the incident; goes on with it if it exists")
    command.add_argument("--approve", default="", metavar="DIGEST", help="write exactly the plan of this digest")
    command.add_argument("--modified", default="", choices=("keep", "revert"), help="modified items in scope")
    command.add_argument("--inserted", default="", choices=("keep", "delete"), help="inserted items in scope")
    command.add_argument("--attributes", default="", help="of modified items put back only these, a,b,c")
    command.add_argument(
        "--guard", default="", choices=("item", "attributes"), help="what of a modified item must be unchanged since"
    )
    command.add_argument("--expired", default="", choices=("keep", "put"), help="items past the table's TTL")
    command.add_argument(
        "--mixed",
        default="",
        choices=("ask", "revert"),
        help="damaged items that others wrote as well, where a log tells",
    )
    command.add_argument("--kinds", default="", help="scope by kind: removed,modified,inserted")
    command.add_argument("--keys", default="", help="scope by key: a JSON list")
    command.add_argument("--where", default="", help="scope by JMESPath over kind, key, before, after, changed")
    command.add_argument("--restored", default="", metavar="TABLE", help="compare with this copy, do not restore")
    command.add_argument(
        "--restored-until", default="", metavar="TABLE", help="a copy from right after the damage, with --restored"
    )
    command.add_argument("--target", default="", metavar="TABLE", help="name of the table to restore into")
    _of_a_copy(command)
    command.add_argument(
        "--accept",
        default="",
        metavar="NAMES",
        help="findings that could do harm, acknowledged by name, such as streams,no-pitr; the closed gate names them",
    )
    command.add_argument(
        "--freeze",
        action="store_const",
        const="true",
        default="",
        help="hold other writers off by the table's policy while the copy writes: the shop stops writing",
    )
    command.add_argument("--write-units", default="", metavar="N", help="pace in write units a second")
    command.add_argument(
        "--read-units",
        default="",
        metavar="N",
        help="pace of each scan in read units a second; as fast as it goes else",
    )
    command.add_argument("--alarms", default="", metavar="NAMES", help="CloudWatch alarms that pause the copy, a,b,c")
    command.add_argument(
        "--ceiling", default="", metavar="N", help="write units a second that the table may consume in all"
    )
    command.add_argument("--stop-file", default="", metavar="PATH", help="a file that stops the copy while it exists")
    command.add_argument(
        "--safety-copy",
        action="store_const",
        const="true",
        default="",
        help="an on-demand backup of the table before the first write; without it nothing is written",
    )


def _of_a_copy(command: argparse.ArgumentParser) -> None:
    """Add what a copy is restored from, and what it is to be like."""
    command.add_argument(
        "--source-arn", default="", metavar="ARN", help="restore the past of this table instead, such as a replica"
    )
    command.add_argument(
        "--backup", default="", metavar="ARN", help="restore this backup or recovery point, instead of --at"
    )
    command.add_argument("--backup-role", default="", metavar="ARN", help="role that AWS Backup restores under")
    command.add_argument("--target-region", default="", metavar="REGION", help="restore the copy in this Region")
    command.add_argument("--indexes", default="", metavar="NAMES", help="of the copy: none, all, or a,b; none else")
    command.add_argument(
        "--kms-key", default="", metavar="KEY", help="of the copy: aws-owned, aws-managed, or a key's ARN, id or alias"
    )
    command.add_argument("--billing", default="", choices=("on-demand", "provisioned"), help="mode of the copy")
    command.add_argument("--throughput", default="", metavar="READ/WRITE", help="units of the copy, such as 100/50")
