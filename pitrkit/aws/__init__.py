"""The only rooms that call AWS. Open `client/client` (every call), then `items` and `tables/tables`.

May import the ground (`times`, `files`, `documents`, `errors`) alone.
"""
