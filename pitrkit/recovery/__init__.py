"""The recovery itself: snapshots, change sets, plans, guarded writes, proof. No boto3 and no Jupyter."""
