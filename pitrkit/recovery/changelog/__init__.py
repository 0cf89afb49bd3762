"""What happened to each item in a window of time, from a stream or incremental exports. Open `change_log` first.

May import changes, recovery/storage, aws.
"""
