"""Settings of a table that a restore leaves behind: captured, compared, reapplied. Open `settings`, then `kinds`.

May import aws/tables, aws/client.
"""
