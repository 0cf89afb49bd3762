"""Tables: DescribeTable, what depends on them, their policy and tags, items as bytes. Open `tables` first.

May import aws/client.
"""
