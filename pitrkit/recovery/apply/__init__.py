"""Guarded writes: sent, paced, journaled, resumed, verified. Open `apply`, then `journal` and `sender`.

May import plan, changes, recovery/token_bucket, aws.
"""
