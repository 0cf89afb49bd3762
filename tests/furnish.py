"""A table with a setting of every kind, as it stands in an account that has been used for years."""

import json

KEYED = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [
        {"AttributeName": "id", "AttributeType": "S"},
        {"AttributeName": "status", "AttributeType": "S"},
    ],
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
EMPTY_ZIP = b"PK\x05\x06" + b"\0" * 18
TARGETS = ("dynamodb:table:ReadCapacityUnits", "dynamodb:table:WriteCapacityUnits")


def create(sandbox, table, **more):
    """Make a provisioned table with one index and three items."""
    client = sandbox.client("dynamodb")
    units = {"ReadCapacityUnits": 20, "WriteCapacityUnits": 10}
    client.create_table(
        TableName=table,
        **KEYED,
        ProvisionedThroughput=units,
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_status",
                "KeySchema": [{"AttributeName": "status", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
                "ProvisionedThroughput": {"ReadCapacityUnits": 7, "WriteCapacityUnits": 5},
            }
        ],
        **more,
    )
    for number in range(3):
        client.put_item(TableName=table, Item={"id": {"S": str(number)}, "status": {"S": "paid"}})
    return client.describe_table(TableName=table)["Table"]


def furnish(sandbox, table):
    """Make a table and give it everything that a restore leaves behind."""
    client = sandbox.client("dynamodb")
    key = sandbox.client("kms").create_key()["KeyMetadata"]["Arn"]
    create(
        sandbox,
        table,
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        TableClass="STANDARD_INFREQUENT_ACCESS",
        DeletionProtectionEnabled=True,
        SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key},
        Tags=[{"Key": "team", "Value": "shop"}, {"Key": "cost", "Value": "42"}],
    )
    described = client.describe_table(TableName=table)["Table"]
    arn, stream = described["TableArn"], described["LatestStreamArn"]
    client.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ends"})
    client.update_continuous_backups(
        TableName=table,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 20},
    )
    client.put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy(arn)))
    client.enable_kinesis_streaming_destination(
        TableName=table, StreamArn="arn:aws:kinesis:us-east-1:123456789012:stream/changes"
    )
    for index in ({}, {"IndexName": "by_status"}):
        client.update_contributor_insights(TableName=table, ContributorInsightsAction="ENABLE", **index)
    scale(sandbox, table)
    alarm(sandbox, table)
    function(sandbox, stream)


def policy(arn):
    """Return a resource policy about the table of *arn* and its indexes."""
    allowed = {
        "Sid": "Report",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
        "Action": ["dynamodb:Query", "dynamodb:Scan"],
        "Resource": [arn, f"{arn}/index/*"],
    }
    return {"Version": "2012-10-17", "Statement": [allowed]}


def scale(sandbox, table):
    """Have Application Auto Scaling follow the table's load."""
    scaling = sandbox.client("application-autoscaling")
    for dimension in TARGETS:
        its = {"ServiceNamespace": "dynamodb", "ResourceId": f"table/{table}", "ScalableDimension": dimension}
        scaling.register_scalable_target(**its, MinCapacity=5, MaxCapacity=100)
        metric = f"DynamoDB{dimension.rpartition(':')[2].removesuffix('CapacityUnits')}CapacityUtilization"
        scaling.put_scaling_policy(
            **its,
            PolicyName=f"{table}-follows",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 70.0,
                "PredefinedMetricSpecification": {"PredefinedMetricType": metric},
            },
        )


def alarm(sandbox, table):
    """Raise an alarm when the table throttles."""
    sandbox.client("cloudwatch").put_metric_alarm(
        AlarmName=f"{table} throttles",
        Namespace="AWS/DynamoDB",
        MetricName="WriteThrottleEvents",
        Dimensions=[{"Name": "TableName", "Value": table}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=["arn:aws:sns:us-east-1:123456789012:on-call"],
    )


def function(sandbox, stream):
    """Have a Lambda function read the stream."""
    functions = sandbox.client("lambda")
    if "on-order" not in {one["FunctionName"] for one in functions.list_functions()["Functions"]}:
        role = sandbox.client("iam").create_role(RoleName="on-order", AssumeRolePolicyDocument=json.dumps(TRUST))
        functions.create_function(
            FunctionName="on-order",
            Runtime="python3.12",
            Role=role["Role"]["Arn"],
            Handler="index.handler",
            Code={"ZipFile": EMPTY_ZIP},
        )
    functions.create_event_source_mapping(
        FunctionName="on-order", EventSourceArn=stream, StartingPosition="LATEST", BatchSize=25
    )
