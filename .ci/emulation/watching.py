"""What AWS does by itself when it was told to: it forgets, keeps what failed, and alarms. Of these the emulator does little or nothing, so
what it was told is looked at: each name that stands there is one that exists.
"""

import json
import re

import permissions
from stage import FUNCTIONS, SCHEDULED, STACK, TABLE, TEMPLATE, aws, items, outputs, physical, seen

# AWS's own metrics that alarms go by, and the dimension that names the resource:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
OF_AWS = {
    "AWS/ApiGateway": ({"4xx", "5xx", "Count", "Latency", "IntegrationLatency", "DataProcessed"}, {"ApiId", "Stage"}),
    "AWS/Lambda": ({"Errors", "Throttles", "Invocations", "Duration", "ConcurrentExecutions", "IteratorAge"}, {"FunctionName"}),
    "AWS/DynamoDB": ({"WriteThrottleEvents", "ReadThrottleEvents"}, {"TableName", "GlobalSecondaryIndexName"}),
    "AWS/SQS": ({"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"}, {"QueueName"}),
}


# What of a request may stand in the API's log: not its path, in which the token is.
LOGGED = {
    "requestId", "requestTimeEpoch", "routeKey", "status", "identity.sourceIp", "identity.userAgent", "responseLatency",
    "integrationLatency", "integration.error",
}
# What the bucket may forget by itself while it is the newest version.
FORGOTTEN = {"downloads/"}


def forgets():
    """What says when it may go, goes then: nothing else does."""
    # The emulator's CloudFormation passes these over, and nothing would come of them within the check.
    for rule in TEMPLATE["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]:
        goes = {"ExpirationInDays", "ExpirationDate"} & set(rule)
        assert not goes or rule.get("Prefix") in FORGOTTEN, f"{rule['Id']}: what is kept under {rule.get('Prefix', '')!r} goes"
    told = aws("dynamodb").describe_time_to_live(TableName=TABLE["name"])["TimeToLiveDescription"]
    assert told == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}, told
    backups = aws("dynamodb").describe_continuous_backups(TableName=TABLE["name"])["ContinuousBackupsDescription"]
    status = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    assert status == "ENABLED", f"the table can't be had back as it was: {status}"
    seen("what has a `ttl` goes, and the table can be had back as it was for 35 days")


def keeps_what_failed():
    """A scheduled run that failed is told in the queue that an alarm watches."""
    queue = outputs()["DeadLettersUrl"]
    arn = aws("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    for name in SCHEDULED.values():
        configurations = aws("lambda").list_function_event_invoke_configs(FunctionName=physical(name))
        destinations = [
            each.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
            for each in configurations["FunctionEventInvokeConfigs"]
        ]
        assert destinations == [arn], f"{name}: what failed goes to {destinations}"
        retries = [each["MaximumRetryAttempts"] for each in configurations["FunctionEventInvokeConfigs"]]
        assert retries == [0], f"{name}: the next run does what this one didn't, but it is tried {retries} times more"
    seen(f"failures of {', '.join(SCHEDULED)} go to the queue")


def told_metrics():
    """{metric: its dimensions} of all that the functions have told, and that the log's filters make."""
    logs, told = aws("logs"), {}
    for group in logs.describe_log_groups()["logGroups"]:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
            for event in page["events"]:
                line = event["message"].strip()
                if '"_aws"' not in line:
                    continue
                for directive in json.loads(line)["_aws"]["CloudWatchMetrics"]:
                    if directive["Namespace"] != STACK:
                        raise AssertionError(f"a namespace that nothing watches: {directive['Namespace']}")
                    for metric in directive["Metrics"]:
                        told.setdefault(metric["Name"], []).extend(map(sorted, directive["Dimensions"]))
    for found in logs.describe_metric_filters()["metricFilters"]:
        for made in found["metricTransformations"]:
            assert made["metricNamespace"] == STACK, made
            told.setdefault(made["metricName"], []).append([])
    return told


def alarms():
    """Every alarm tells somebody, and goes by a metric that there is."""
    told = told_metrics()
    assert len(told) > 15, f"the functions have told of {sorted(told)} alone"
    indexes = {index["IndexName"] for index in aws("dynamodb").describe_table(TableName=TABLE["name"])["Table"]["GlobalSecondaryIndexes"]}
    there = {
        "ApiId": {api["ApiId"] for api in aws("apigatewayv2").get_apis()["Items"]},
        "Stage": {"$default"},
        "FunctionName": {physical(name) for name in FUNCTIONS},
        "TableName": {TABLE["name"]},
        "GlobalSecondaryIndexName": indexes,
        "QueueName": {url.rsplit("/", 1)[1] for url in aws("sqs").list_queues()["QueueUrls"]},
    }
    resources = aws("cloudformation").get_paginator("list_stack_resources").paginate(StackName=STACK)
    made = [each for page in resources for each in page["StackResourceSummaries"] if each["ResourceType"] == "AWS::CloudWatch::Alarm"]
    watched = aws("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len(made) == len(watched) > 15, f"{len(made)} alarms in the stack, {len(watched)} there"
    for alarm in watched:
        name, metric = alarm["AlarmName"], (alarm["Namespace"], alarm["MetricName"])
        dimensions = {each["Name"]: each["Value"] for each in alarm.get("Dimensions", [])}
        assert alarm["AlarmActions"] and alarm["OKActions"], f"{name} tells nobody"
        if metric[0] in OF_AWS:
            metrics, known = OF_AWS[metric[0]]
            assert metric[1] in metrics and set(dimensions) <= known, f"{name}: {metric} by {dimensions} is none of AWS's metrics"
            for dimension, value in dimensions.items():
                assert value in there[dimension], f"{name}: there is no {dimension} {value}"
        else:
            assert metric[0] == STACK, f"{name}: nothing is told in {metric[0]}"
            assert sorted(dimensions) in told.get(metric[1], []), f"{name}: no function has told {metric[1]} by {sorted(dimensions)}"
    seen(f"{len(watched)} alarms go by metrics that there are")


def logs():
    """What stands in the API's log names nobody, and no token."""
    for api in aws("apigatewayv2").get_apis()["Items"]:
        for stage in aws("apigatewayv2").get_stages(ApiId=api["ApiId"])["Items"]:
            told = set(re.findall(r"\$context\.([A-Za-z.]+)", stage["AccessLogSettings"]["Format"]))
            assert told and told <= LOGGED, f"{api['Name']}: {sorted(told - LOGGED)} in its log"
    seen("nothing of a request's path stands in a log")


def by_default(value):
    """What an expression of the template comes to with the parameters' defaults; None where nothing is said."""
    if isinstance(value, list):
        return [by_default(each) for each in value]
    if not isinstance(value, dict) or len(value) != 1:
        return value
    (kind, given), = value.items()
    if kind == "Ref":
        return TEMPLATE["Parameters"].get(given, {}).get("Default")
    if kind == "Condition":
        return by_default(TEMPLATE["Conditions"][given])
    if kind == "Fn::If":
        return by_default(given[1] if by_default(TEMPLATE["Conditions"][given[0]]) else given[2])
    if kind == "Fn::Equals":
        return str(by_default(given[0])) == str(by_default(given[1]))
    if kind == "Fn::Not":
        return not by_default(given[0])
    if kind in ("Fn::And", "Fn::Or"):
        return (all if kind == "Fn::And" else any)(map(by_default, given))
    raise AssertionError(f"{kind} is not known here")


def runs():
    """Every function may run, and as long as what it does may take."""
    # The emulator passes reserved concurrency over, so that the template has to tell.
    for name, resource in TEMPLATE["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            reserved = by_default(resource["Properties"].get("ReservedConcurrentExecutions"))
            assert reserved is None or int(reserved) > 0, f"{name} may run {reserved} times at once: it is switched off"
    for name in FUNCTIONS:
        found = aws("lambda").get_function(FunctionName=physical(name))
        settings = found["Configuration"]["Environment"]["Variables"]
        longest = int(settings.get("RECORDING_TIMEOUT_SECONDS", 0))
        timeout = found["Configuration"]["Timeout"]
        # API Gateway waits for 30 s; whoever pushes, for less than one.
        assert timeout >= 10 and timeout > longest, f"{name} ends after {timeout} s, and one recording may take {longest}"
    seen("every function may run, and long enough")


def keys():
    """Whoever writes to the bucket may use its key to encrypt, and whoever reads to decrypt: S3 asks for both where parts are put together.
    Of KMS the emulator enforces nothing, so the roles are looked at.
    """
    for name, role in TEMPLATE["Resources"].items():
        if role["Type"] != "AWS::IAM::Role":
            continue
        allowed = {action for action, _ in permissions.grants(name, every=True)}
        for needs, action in (("s3:PutObject", "kms:GenerateDataKey"), ("s3:GetObject", "kms:Decrypt")):
            assert needs not in allowed or action in allowed, f"{name} has {needs} without {action}"
    seen("whoever may write to the bucket or read from it may use its key")


def indexes():
    """Each index of calls finds a call by its key and its time."""
    call = next(each for each in items() if each["sk"]["S"] == "call" and {"callee_key", "task_key", "day"} <= set(each))
    for index, key in (("by-callee", "callee_key"), ("by-task", "task_key"), ("by-day", "day")):
        found = aws("dynamodb").query(
            TableName=TABLE["name"],
            IndexName=index,
            KeyConditionExpression="#key = :key AND call_at = :at",
            ExpressionAttributeNames={"#key": key},
            ExpressionAttributeValues={":key": call[key], ":at": call["call_at"]},
        )["Items"]
        assert call["pk"] in [each["pk"] for each in found], f"{index} does not find {call['pk']['S']}"
    seen("a call is found by its callee, its task and its day")


def check(_):
    forgets()
    keeps_what_failed()
    logs()
    runs()
    keys()
    indexes()
    alarms()
