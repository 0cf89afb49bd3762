"""Change sets: what differs between two times, scoped, searched. Open `change` (the model), then `change_set`.

May import snapshot, recovery/storage, aws.
"""
