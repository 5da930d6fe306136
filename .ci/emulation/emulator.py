"""MiniStack, an emulator of AWS, with what it lacks of what the template needs.

Usage: emulator.py <folder to report in>

Each gap is told in GAPS with the reason, filled from the resource's own properties as the template has them, and reported in `gaps` with
the resource that met it. A gap that MiniStack has closed by itself ends this with an error: the row goes.
"""

import json
import sys
import threading
import time
from pathlib import Path

import ministack.app
import ministack.services.apigateway as api_gateway
import ministack.services.athena as athena
import ministack.services.dynamodb as dynamodb
import ministack.services.eventbridge as eventbridge
import ministack.services.scheduler as scheduler
from ministack.core import tls
from ministack.services.cloudformation import provisioners

REPORT = Path(sys.argv[1])

# What is lacking: (resource type, what of it, what is done instead).
GAPS = {
    "alarm": (
        "AWS::CloudWatch::Alarm",
        "Metrics: an alarm on a sum of metrics is refused",
        "an alarm on the first of them, whose names, dimensions and threshold are those of the template",
    ),
    "body": (
        "AWS::ApiGatewayV2::Api",
        "Body: the OpenAPI document, in which SAM writes the routes, is not read",
        "a route and an integration for each of its paths",
    ),
    "events": (
        "AWS::Events::{Connection,ApiDestination,Archive}",
        "CloudFormation refuses these types",
        "EventBridge is told of each, with the properties of the template",
    ),
    "query": (
        "AWS::Athena::NamedQuery",
        "CloudFormation does not know the type",
        "Athena is told of each query itself",
    ),
    "settings": (
        "AWS::DynamoDB::Table",
        "TimeToLiveSpecification and PointInTimeRecoverySpecification are passed over",
        "DynamoDB is told of both",
    ),
}


def met(gap, resource):
    with (REPORT / "gaps").open("a") as report:
        report.write(json.dumps([gap, resource, *GAPS[gap]]) + "\n")


def alarms():
    """Alarms on several metrics."""
    record = provisioners._cw_metric_alarm_record
    probe = {"Metrics": [], "ComparisonOperator": "GreaterThanThreshold", "Threshold": 0}
    try:
        record("probe", {**probe, "Metrics": [{"Id": "a", "Expression": "1"}]})
    except ValueError as error:
        assert "Metrics" in str(error), error
    else:
        sys.exit("MiniStack knows alarms on several metrics by now: take the row out of GAPS")

    def filled(name, properties):
        metrics = properties.get("Metrics")
        if not metrics:
            return record(name, properties)
        met("alarm", name)
        results = [metric["Id"] for metric in metrics if metric.get("ReturnData", True)]
        assert len(results) == 1, f"{name}: just one of its metrics is what it alarms by: {results}"
        first = next(metric["MetricStat"] for metric in metrics if "MetricStat" in metric)
        single = {key: value for key, value in properties.items() if key != "Metrics"}
        single |= {key: first["Metric"][key] for key in ("MetricName", "Namespace", "Dimensions") if key in first["Metric"]}
        single |= {"Period": first["Period"], "Statistic": first["Stat"]}
        return record(name, single)

    provisioners._cw_metric_alarm_record = filled


def bodies():
    """HTTP APIs that are told by an OpenAPI document."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    create, update = handlers["create"], handlers["update"]

    def routes(api, body):
        api_gateway._routes[api] = {}
        api_gateway._integrations[api] = {}
        for path, methods in body["paths"].items():
            for method, operation in methods.items():
                backend = operation["x-amazon-apigateway-integration"]
                integration, _ = provisioners._apigw_v2_integration_create(
                    "", {
                        "ApiId": api,
                        "IntegrationType": backend["type"].upper(),
                        "IntegrationUri": backend["uri"],
                        "IntegrationMethod": backend["httpMethod"],
                        "PayloadFormatVersion": backend["payloadFormatVersion"],
                    }, ""
                )
                security = operation.get("security")
                assert not security, f"{path}: an authorizer, which nothing here would ask"
                key = "$default" if path == "/$default" else f"{method.removeprefix('x-amazon-apigateway-any-').upper()} {path}"
                provisioners._apigw_v2_route_create(
                    "", {"ApiId": api, "RouteKey": key, "Target": f"integrations/{integration}"}, ""
                )

    def created(logical_id, properties, stack):
        api, attributes = create(logical_id, properties, stack)
        assert not api_gateway._routes[api], "MiniStack reads an API's Body by now: take the row out of GAPS"
        if body := properties.get("Body"):
            met("body", logical_id)
            routes(api, body)
            api_gateway._apis[api]["name"] = body["info"]["title"]
        return api, attributes

    def updated(physical_id, old, new, stack, logical_id=None):
        api, attributes = update(physical_id, old, new, stack, logical_id)
        if body := new.get("Body"):
            met("body", logical_id or physical_id)
            routes(api, body)
        return api, attributes

    handlers |= {"create": created, "update": updated}


def tables():
    """What CloudFormation tells DynamoDB once a table is there."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]

    def told(table, properties, logical_id):
        for operation, setting in (
            (dynamodb._update_ttl, "TimeToLiveSpecification"),
            (dynamodb._update_continuous_backups, "PointInTimeRecoverySpecification"),
        ):
            if specification := properties.get(setting):
                status, _, body = operation({"TableName": table, setting: specification})
                assert status == 200, body
                met("settings", logical_id)

    def created(logical_id, properties, stack):
        table, attributes = create(logical_id, properties, stack)
        described = json.loads(dynamodb._describe_ttl({"TableName": table})[2])["TimeToLiveDescription"]
        assert described["TimeToLiveStatus"] == "DISABLED", "MiniStack sets a table's TTL by now: take the row out of GAPS"
        told(table, properties, logical_id)
        return table, attributes

    def updated(physical_id, old, new, *rest, **more):
        changed = update(physical_id, old, new, *rest, **more)
        told(physical_id, new, physical_id)
        return changed

    create, update = handlers["create"], handlers["update"]
    handlers |= {"create": created, "update": updated}


def queries():
    """Athena's named queries."""
    assert "AWS::Athena::NamedQuery" not in provisioners._RESOURCE_HANDLERS, "MiniStack knows named queries by now: take the row out of GAPS"

    def created(logical_id, properties, stack):
        met("query", logical_id)
        status, _, body = athena._create_named_query(properties)
        assert status == 200, body
        return json.loads(body)["NamedQueryId"], {}

    def deleted(physical_id, properties):
        athena._delete_named_query({"NamedQueryId": physical_id})

    def updated(physical_id, old, new, stack, logical_id=None):
        if old == new:
            return physical_id, {}
        deleted(physical_id, old)
        return created(logical_id or physical_id, new, stack)

    provisioners._RESOURCE_HANDLERS["AWS::Athena::NamedQuery"] = {
        "create": created, "update": updated, "update_with_logical_id": True, "delete": deleted,
    }


def events():
    """What CloudFormation does not make of EventBridge's: its own API does."""

    def told(operation, properties):
        status, _, body = operation(properties)
        assert status == 200, body
        return json.loads(body)

    def handlers(kind, named, describe, update, delete):
        """`named` makes the API's properties of the template's, and of a name."""
        create = getattr(eventbridge, f"_create_{kind}")

        def created(logical_id, properties, stack):
            met("events", logical_id)
            name = f"{stack}-{logical_id}"
            told(create, named(name, properties))
            return name, {"Arn": arn(name), "ArchiveName": name}

        def arn(name):
            answer = told(describe, {named_by: name})
            return next(value for key, value in answer.items() if key in arns)

        def updated(physical_id, _, new, *rest, **more):
            told(update, named(physical_id, new))
            return physical_id, {"Arn": arn(physical_id), "ArchiveName": physical_id}

        def deleted(physical_id, *_):
            told(delete, {named_by: physical_id})

        named_by = next(iter(named("probe", {})))
        arns = ("ConnectionArn", "ApiDestinationArn", "ArchiveArn")
        return {"create": created, "update": updated, "delete": deleted}

    of_archive = lambda name, of: {
        "ArchiveName": name, "EventSourceArn": of.get("SourceArn"), "EventPattern": json.dumps(of.get("EventPattern", {})),
        "RetentionDays": int(of.get("RetentionDays", 0)),
    }
    made = {
        "Connection": handlers("connection", lambda name, of: {"Name": name, **of}, eventbridge._describe_connection, eventbridge._update_connection, eventbridge._delete_connection),
        "ApiDestination": handlers("api_destination", lambda name, of: {"Name": name, **of}, eventbridge._describe_api_destination, eventbridge._update_api_destination, eventbridge._delete_api_destination),
        "Archive": handlers("archive", of_archive, eventbridge._describe_archive, eventbridge._update_archive, eventbridge._delete_archive),
    }
    for kind, handler in made.items():
        kind = f"AWS::Events::{kind}"
        assert kind not in provisioners._RESOURCE_HANDLERS, f"MiniStack knows {kind} by now: take the row out of GAPS"
        provisioners._RESOURCE_HANDLERS[kind] = handler


def clock():
    """Puts the clock of schedules forward by an hour, once, whenever `hour` is in the folder: nobody waits for five minutes, and nothing runs
    unasked beside what is looked at."""
    while True:
        time.sleep(0.1)
        request = REPORT / "hour"
        if request.exists():
            for key in list(scheduler._schedules._data):
                scheduler._schedule_last_fired[key] = time.time() - 3600
            scheduler._tick_schedules()
            request.unlink()


def main():
    assert tls.use_ssl_enabled() and ministack.app.AUTH, "over TLS, with IAM enforced"
    alarms()
    bodies()
    tables()
    events()
    queries()
    scheduler.start_scheduler = lambda: None
    threading.Thread(target=clock, daemon=True).start()
    # Names of services that it would take for buckets at the region's own name.
    ministack.app._NON_S3_VHOST_NAMES |= {"scheduler", "acm", "apigateway", "cognito-idp"}
    # It would listen on port 443 a second time.
    ministack.app._port_is_bindable = lambda *_: False
    sys.argv[1:] = []
    ministack.app.main()


main()
