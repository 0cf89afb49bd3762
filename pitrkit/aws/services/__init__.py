"""The services around DynamoDB: CloudWatch, CloudTrail, IAM simulation, KMS signing, S3 objects, SNS.

One module each; open `cloudwatch` first. May import aws/backups, aws/tables, aws/client.
"""
