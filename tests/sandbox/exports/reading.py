"""Reading a table's stream with plain boto3, as a well-behaved reader does: whole pages of shards, parents first."""

QUIET_PAGES = 2
"""Empty pages in a row after which an open shard is taken to have nothing more."""


def stream_of(dynamodb, table):
    return dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]


def shards_of(streams, arn, **options):
    start = {}
    found = []
    while True:
        page = streams.describe_stream(StreamArn=arn, **options, **start)["StreamDescription"]
        found += page["Shards"]
        if "LastEvaluatedShardId" not in page:
            return found
        start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}


def iterator(streams, arn, shard, kind="TRIM_HORIZON", **more):
    of = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": kind}
    return streams.get_shard_iterator(**of, **more)["ShardIterator"]


def follow(streams, at, **options):
    """The records from an iterator on, and the iterator that is left: None at the end of a closed shard."""
    records, quiet = [], 0
    while at is not None and quiet < QUIET_PAGES:
        page = streams.get_records(ShardIterator=at, **options)
        records += page["Records"]
        quiet = 0 if page["Records"] else quiet + 1
        at = page.get("NextShardIterator")
    return records, at


def lineage(shards):
    """The shards, each after its parent."""
    left = {shard["ShardId"]: shard for shard in shards}
    ordered = []
    while left:
        ready = [shard for shard in left.values() if shard.get("ParentShardId") not in left]
        assert ready, "shards are in a circle"
        ordered += [left.pop(shard["ShardId"]) for shard in ready]
    return ordered


def read(streams, arn):
    """Every record of a stream, each after those that came before it in its line of shards."""
    return [
        record
        for shard in lineage(shards_of(streams, arn))
        for record in follow(streams, iterator(streams, arn, shard))[0]
    ]
