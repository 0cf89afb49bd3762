"""One account and Region: boto3 calls with every error told apart; the fast transport; waiting. Open `client` first.

May import aws/items, aws/arns.
"""
