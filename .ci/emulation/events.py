"""What is told: a push's event goes from the table's stream over the bus to a webhook and to a topic."""

import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

from stage import WORK, aws, outputs, parameters, physical, push, seen, tell

WEBHOOK = ("hooks.example.com", 8443)
SECRET = "emulated-secret"


class Hook(BaseHTTPRequestHandler):
    got = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        Hook.got.append((self.headers, json.loads(body)))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def listen():
    server = HTTPServer(("127.0.0.1", WEBHOOK[1]), Hook)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(WORK / "server.pem", WORK / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def within(seconds, what, of):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := of():
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {seconds} s")


def check(token):
    listen()
    topic = aws("sns").create_topic(Name="leads")["TopicArn"]
    queue = aws("sqs").create_queue(QueueName="leads")["QueueUrl"]
    arn = aws("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    lets = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [lets]})
    aws("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    aws("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    parameters(
        WebhookUrl="https://{}:{}/callvault".format(*WEBHOOK), WebhookSecret=SECRET, LeadIntents="A,B", LeadTopicArn=topic,
        EventArchiveDays="1", EventTypes="all", WebhookDetailTypes="call.completed,recording.archived",
    )
    tell("sam deploy")
    (mapping,) = aws("lambda").list_event_source_mappings(FunctionName=physical("PublishChanges"))["EventSourceMappings"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"] and mapping["FilterCriteria"]["Filters"], mapping
    bus = outputs()["EventBusName"]
    rules = {rule["Name"] for rule in aws("events").list_rules(EventBusName=bus)["Rules"]}
    assert {physical("WebhookRule"), physical("LeadRule")} <= {f"{bus}|{name}" for name in rules} | rules, rules
    now = int(time.time() * 1000)
    report = {"callId": "told", "callee": "13912345678", "smartStatusCode": "NO_ANSWER", "originateTime": now}
    for function, element in (("alicom-call-report", report), ("alicom-call-note", {"callId": "told", "majorIntent": "A"})):
        assert push(function, json.dumps([element]), token)[0] == 200
    pushed = time.monotonic()
    of_call = lambda: [(headers, event) for headers, event in Hook.got if event["detail"]["call_id"] == "told"]
    headers, event = within(60, "the webhook", of_call)[0]
    assert headers["X-Callvault-Token"] == SECRET, dict(headers)
    assert (event["source"], event["detail-type"]) == ("callvault", "call.completed"), event
    assert event["detail"]["call"]["callee"] == "139******78", event
    seen(f"the webhook was posted call.completed {time.monotonic() - pushed:.1f} s after the push")

    def lead():
        messages = aws("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        texts = [json.loads(message["Body"])["Message"] for message in messages]
        return next((text for text in texts if "told" in text), None)

    text = within(60, "the topic", lead)
    assert text.strip('"').startswith("Lead A: 139******78"), text
    assert not [event for _, event in Hook.got if event["detail-type"] == "call.intent"], "the webhook takes what it was said to"
    seen(f"the topic of leads was told: {text}")
    before = len(Hook.got)
    tell(f"EVENT_BUS_NAME={bus} TABLE_NAME={outputs()['TableName']} BUCKET_NAME={outputs()['BucketName']} cargo run -- events test")
    within(60, "events test", lambda: len(Hook.got) >= before + 2)
    parameters(WebhookUrl=None, WebhookSecret=None, LeadIntents=None, LeadTopicArn=None, EventArchiveDays=None, EventTypes=None, WebhookDetailTypes=None)
    tell("sam deploy")
