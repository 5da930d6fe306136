"""What AWS does by itself when it was told to: it forgets, keeps what failed, and alarms. Of these the emulator does little or nothing, so
what it was told is looked at: each name that stands there is one that exists.
"""

import json

from stage import FUNCTIONS, SCHEDULED, STACK, TABLE, aws, outputs, physical, seen

# AWS's own metrics that alarms go by, and the dimension that names the resource:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
OF_AWS = {
    "AWS/ApiGateway": ({"4xx", "5xx", "Count", "Latency", "IntegrationLatency", "DataProcessed"}, {"ApiId", "Stage"}),
    "AWS/Lambda": ({"Errors", "Throttles", "Invocations", "Duration", "ConcurrentExecutions"}, {"FunctionName"}),
    "AWS/DynamoDB": ({"WriteThrottleEvents", "ReadThrottleEvents"}, {"TableName", "GlobalSecondaryIndexName"}),
    "AWS/SQS": ({"ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"}, {"QueueName"}),
}


def forgets():
    """What says when it may go, goes then: nothing else does."""
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


def check(_):
    forgets()
    keeps_what_failed()
    alarms()
