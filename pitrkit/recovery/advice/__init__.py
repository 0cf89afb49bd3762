"""What to know before deciding: candidates for the recovery point, costs, permissions. Open `candidates` or `cost`.

May import aws alone.
"""
