"""The only rooms that call AWS. Open `client/client` (boto3 calls), `tables/item_calls` (items as bytes), then `items`.

May import the ground (`times`, `files`, `documents`, `errors`) alone.
"""
