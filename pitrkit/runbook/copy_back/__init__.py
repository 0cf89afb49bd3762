"""05 and 12: plan, gate, apply, verify; conflicts; undo. All routes end here.

Open `copy_back` (05), then `copy`, which is one copy's whole way, and `undo` (12). May import diff, restore, session.
"""
