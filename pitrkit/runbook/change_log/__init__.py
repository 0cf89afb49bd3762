"""10: recover without a restore, from a stream or incremental exports.

Open `rollback_without_restore` first. May import copy_back, diff, restore, start, session.
"""
