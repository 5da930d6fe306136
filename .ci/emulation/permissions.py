"""What each role may do, taken away one by one: what fails then is what the permission is for."""

import copy
import hashlib
import json
import os
import re
import secrets
import subprocess
import time

import works
from stage import CALLVAULT, TABLE, TEMPLATE, access_token, aws, browse, invoke, item, items, objects, physical, push, read, seen, session

# What a permission is for, where that is told apart: (role, action, part of the store), and the probe that fails without it. Of any other
# some probe has to fail.
NEEDED_FOR = {
    ("PushRole", "dynamodb:BatchWriteItem", "Table"): "report",
    ("PushRole", "dynamodb:PutItem", "Table"): "report",
    ("PushRole", "s3:PutObject", "large/*"): "large",
    ("PushRole", "s3:PutObject", "rejected/*"): "reject",
    ("PushRole", "dynamodb:GetItem", "Table"): "reject",
    ("ArchiveRecordingsRole", "dynamodb:UpdateItem", "Table"): "put",
    ("ArchiveRecordingsRole", "dynamodb:Query", "index/by-due"): "put",
    ("ArchiveRecordingsRole", "s3:AbortMultipartUpload", "recordings/*"): "left over",
}

# What fails nothing when it is refused, and why. That it is asked for at all is what the template's tests show.
HARMLESS = {
    ("ArchiveRecordingsRole", "s3:ListBucketMultipartUploads", "Bucket"): "clears away what a run left that died a while ago",
    ("ArchiveRecordingsRole", "dynamodb:GetItem", "Table"): "reads a call to renew a recording's URL by, which isn't done here",
    ("ArchiveRecordingsRole", "secretsmanager:GetSecretValue", "ProviderSecretArn"): "recordings are copied without keys, too",
    ("FetchConversationsRole", "secretsmanager:GetSecretValue", "ProviderSecretArn"): "a run without keys has nothing to do",
    ("FetchConversationsRole", "dynamodb:BatchWriteItem", "Table"): "the simulator alone knows no call, so none is fetched",
    ("FetchConversationsRole", "s3:PutObject", "large/*"): "the simulator alone knows no call, so none is fetched",
    ("PushRole", "dynamodb:BatchGetItem", "Table"): "spares a refused put",
    ("QueryCallsRole", "s3:GetObject", "summaries/*"): "no task is counted here",
    ("QueryCallsRole", "s3:ListBucket", "AnalyticsBucket"): "no task is counted here",
    ("ExportCallsRole", "s3:ListBucketMultipartUploads", "AnalyticsBucket"): "clears away what a run left that died while it uploaded a file",
    ("ExportCallsRole", "s3:AbortMultipartUpload", "*"): "clears away what a run left that died while it uploaded a file",
    ("ExportCallsRole", "s3:ListBucket", "AnalyticsBucket"): "the emulator says of what is missing that it is, whoever asks",
}

# Whose permissions are not taken away here, and why.
NOT_TAKEN_AWAY = {
    "ConsoleRole": "the console starts, and sends everybody to sign in: no cookie gets through the emulator's gateway to it, so the template's test alone holds its role",
}

# What can't be seen here, and why.
UNSEEN = {
    "logs:CreateLogStream": "the emulator writes logs in its own name",
    "logs:PutLogEvents": "the emulator writes logs in its own name",
    "sqs:SendMessage": "the emulator reports failures in its own name",
    **{f"dynamodb:{name}": "the emulator reads streams in its own name" for name in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")},
}

# Which conditions hold of the stack as it is deployed here.
CONDITIONS = {
    "HasWebhook": False,
    "HasTwoWorkers": False, "HasProviderSecret": True, "HasKmsKey": False, "HasRecordingLock": False, "HasCalleeIdSecret": True,
    "HasSessionSecret": False, "MakesSessionSecret": True, "HasClientSecret": False,
    "SealsBySessionSecret": False, "SealsByMadeSecret": False,
}


def of_push(token):
    """How each kind of push ends, by its status."""
    mark = secrets.token_hex(6)
    large = json.dumps([{"callId": f"large-{mark}", "unknown": "x" * 100_000}])
    probes = {
        # Two: what one element brings is put alone, on condition; only what several bring is put together.
        "report": ("alicom-call-report", json.dumps([{"callId": f"report-{mark}"}, {"callId": f"report-{mark}-2"}])),
        "record": ("alicom-call-record", json.dumps([{"callId": f"report-{mark}", "duration": 1}])),
        "note": ("alicom-call-note", json.dumps([{"callId": f"report-{mark}", "majorIntent": "A"}])),
        "ai-voice": ("ai-voice-call-record", json.dumps({"callId": f"ai-voice-{mark}"})),
        "laaffic": ("laaffic-status-report", json.dumps({"array": [{"voiceId": f"laaffic-{mark}"}]})),
        "large": ("alicom-call-report", large),
        "reject": ("alicom-call-report", f"not JSON {mark}"),
    }
    return {name: push(function, body, token)[0] for name, (function, body) in probes.items()}


def of_archiving(token):
    """How recordings end: copied at once, in parts, broken off in parts, found in the bucket; and whether parts are left over."""
    mark = secrets.token_hex(6)
    recordings = {"put": "", "parts": "?bytes=9000000", "broken": "?bytes=20000000&fault=truncated"}
    pks = {name: works.announce(token, f"{name}-{mark}", query) for name, query in recordings.items()}
    pending = works.recording(pks["put"])
    failed, _ = invoke("ArchiveRecordings")
    uploads = aws("s3").list_multipart_uploads(Bucket=TABLE["bucket"]).get("Uploads", [])
    for upload in uploads:
        aws("s3").abort_multipart_upload(Bucket=TABLE["bucket"], Key=upload["Key"], UploadId=upload["UploadId"])
    ends = {name: works.recording(pk)["state"]["S"] for name, pk in pks.items()}
    # As if the run had died before it noted what it had copied.
    aws("dynamodb").put_item(TableName=TABLE["name"], Item={**pending, "attempts": {"N": "1"}})
    invoke("ArchiveRecordings")
    found = works.recording(pks["put"])["state"]["S"]
    return {"ran": not failed, **ends, "found": found, "left over": len(uploads)}


def of_fetching(token):
    """Whether a run that has a call to ask for goes through."""
    mark = secrets.token_hex(6)
    call = {"callId": f"fetch-{mark}", "taskId": "1", "batchId": "2", "detailId": mark}
    assert push("alicom-call-report", json.dumps([call]), token)[0] == 200
    # A run that failed holds its lease until it lapses, and the next would end at once.
    aws("dynamodb").delete_item(TableName=TABLE["name"], Key={"pk": {"S": "run#fetch-conversations"}, "sk": {"S": "lease"}})
    failed, _ = invoke("FetchConversations")
    return {"ran": not failed}


def of_sweeping(token):
    """What came to lie beside an erased call goes, and the tombstone is looked at again later."""
    number = f"139{secrets.randbelow(10**8):08}"
    call = {"callId": f"erased-{number}", "callee": number, "unknown": "x" * 100_000}
    nameless = json.dumps({"callee": number})
    assert push("alicom-call-report", json.dumps([call])[:-1] + f", {nameless}]", token)[0] == 200
    stores = {"TABLE_NAME": TABLE["name"], "BUCKET_NAME": TABLE["bucket"]}
    erased = subprocess.run([CALLVAULT, "erase", "--callee", number], env={**os.environ, **stores}, capture_output=True)
    assert erased.returncode == 0, erased.stderr.decode() + erased.stdout.decode()
    pk = f"call#alicom#erased-{number}"
    prefixes = [f"large/alicom/erased-{number}/", f"recordings/provider=alicom/date=2025-01-01/erased-{number}/"]
    assert "erased_at" in item(pk, "call"), "a tombstone"
    table = aws("dynamodb")
    table.put_item(TableName=TABLE["name"], Item={"pk": {"S": pk}, "sk": {"S": "push#late"}})
    for prefix in prefixes:
        aws("s3").put_object(Bucket=TABLE["bucket"], Key=f"{prefix}late", Body=b"late")
    past = "2000-01-01T00:00:00.000Z"
    table.update_item(
        TableName=TABLE["name"],
        Key={"pk": {"S": pk}, "sk": {"S": "call"}},
        UpdateExpression="SET due_at = :past, prefixes = :prefixes",
        ExpressionAttributeValues={":past": {"S": past}, ":prefixes": {"L": [{"S": prefix} for prefix in prefixes]}},
    )
    digest = hashlib.sha256(nameless.encode()).hexdigest()
    reject = {"pk": {"S": f"rejected#alicom-call-report#{digest}"}, "sk": {"S": "erased"}}
    again = f"rejected/alicom-call-report/2025/01/01/{digest}.json"
    kept = {"function": "alicom-call-report", "received_at": "2025-01-01T00:00:00.000Z", "reason": "no id", "body": nameless}
    aws("s3").put_object(Bucket=TABLE["bucket"], Key=again, Body=json.dumps(kept).encode())
    table.update_item(
        TableName=TABLE["name"],
        Key=reject,
        ConditionExpression="attribute_exists(rewritten_at)",
        UpdateExpression="SET due_at = :past, objects = :objects",
        ExpressionAttributeValues={":past": {"S": past}, ":objects": {"L": [{"S": again}]}},
    )
    failed, _ = invoke("SweepErased")
    stones = [{"pk": {"S": pk}, "sk": {"S": "call"}}, reject]
    ended = {
        "ran": not failed,
        "item gone": item(pk, "push#late") is None,
        "objects left": sum(len(objects(prefix)) for prefix in [*prefixes, again]),
        "looked at again": [item(stone["pk"]["S"], stone["sk"]["S"]).get("due_at", {}).get("S") != past for stone in stones],
    }
    # Not to be met by the next round.
    for stone in stones:
        table.delete_item(TableName=TABLE["name"], Key=stone)
    return ended


def of_reading(token):
    """How readers' requests end, by their status: lists by each index, one call whole, its recording, a download."""
    # A process that has the key of callees' ids would not ask for it again.
    fresh("QueryCalls")
    mark = secrets.token_hex(6)
    call = {"callId": f"read-{mark}", "taskId": f"task-{mark}", "callee": "13900000000", "unknown": secrets.token_hex(300_000)}
    assert push("alicom-call-report", json.dumps([call]), token)[0] == 200
    works.announce(token, f"heard-{mark}")
    assert not invoke("ArchiveRecordings")[0]
    reader = access_token()
    today = time.strftime("%Y-%m-%d", time.gmtime())
    paths = {
        "by day": f"/api/calls?day={today}&zone=UTC",
        "by task": f"/api/calls?provider=alicom&task=task-{mark}",
        "by callee": "/api/calls?callee=13900000000",
        "waiting": "/api/recordings?state=pending",
        "whole": f"/api/calls/alicom/read-{mark}",
        "recording": f"/api/calls/alicom/heard-{mark}/recordings/main",
        "download": f"/api/calls?provider=alicom&task=task-{mark}&download=true",
    }
    ended, bodies = {}, {}
    for name, path in paths.items():
        status, headers, bodies[name] = read(path, reader)
        ended[name] = [status, read(headers["location"])[0]] if status == 302 else status
    # A push that is too large for an item lies in the bucket.
    pushes = json.loads(bodies["whole"])["pushes"] if ended["whole"] == 200 else []
    for told in pushes:
        ended["push"] = read(f"{paths['whole']}/pushes/{told['function']}/{told['digest']}", reader)[0]
    return {"push": None, **ended}


def of_publishing(token):
    """Whether a batch is done with: events are put, hours marked, calls read, and what can't be understood is set aside."""
    # A process that has the key of callees' ids would not ask for it again, nor mark an hour twice within a minute.
    fresh("PublishChanges")
    mark = secrets.token_hex(6)
    assert push("alicom-call-report", json.dumps([{"callId": f"told-{mark}"}]), token)[0] == 200
    batch = json.loads(open("events/publish-changes.json").read())
    record = batch["Records"][0]["dynamodb"]
    record["Keys"]["pk"]["S"] = f"call#ai-voice#{mark}"
    record["NewImage"]["call_at"]["S"] = f"20{secrets.randbelow(50) + 30}-06-01T02:05:00.000Z"
    beside, poison = copy.deepcopy(batch["Records"][0]), copy.deepcopy(batch["Records"][0])
    beside["dynamodb"]["Keys"] = {"pk": {"S": f"call#alicom#told-{mark}"}, "sk": {"S": "recording#main"}}
    time_of = {"S": "2025-06-01T02:05:00.000Z"}
    beside["dynamodb"]["NewImage"] = {"slot": {"S": "main"}, "state": {"S": "failed"}, "call_at": time_of, "first_received_at": time_of}
    poison["dynamodb"]["NewImage"]["sources"] = {"S": mark}
    batch["Records"] += [beside, poison]
    before = len(objects("rejected/publish-changes/"))
    answer = aws("lambda").invoke(FunctionName=physical("PublishChanges"), Payload=json.dumps(batch))
    told = json.loads(answer["Payload"].read())
    return {"left": len(told.get("batchItemFailures", ["?"])), "aside": len(objects("rejected/publish-changes/")) - before}


def of_console(token):
    """How the console's pages and forms end, by their status."""
    fresh("Console")
    mark = secrets.token_hex(6)
    call = {"callId": f"seen-{mark}", "taskId": f"seen-{mark}", "callee": "13900000000", "unknown": secrets.token_hex(300_000)}
    assert push("alicom-call-report", json.dumps([call]), token)[0] == 200
    push("alicom-call-report", f"not JSON {mark}", token)
    works.announce(token, f"played-{mark}")
    assert not invoke("ArchiveRecordings")[0]
    cookie = session("calls.read calls.pii recordings.listen calls.review operations.read")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    asked = {
        "by day": (f"/calls?day={today}&zone=UTC", None),
        "by task": (f"/calls?provider=alicom&task=seen-{mark}", None),
        "by callee": ("/calls", {"number": "13900000000"}),
        "operations": ("/operations", None),
        "whole": (f"/calls/alicom/seen-{mark}", None),
        "review": (f"/calls/alicom/seen-{mark}/review", {"verdict": "good"}),
        "recording": (f"/calls/alicom/played-{mark}/recordings/main", None),
        "download": (f"/calls.csv?provider=alicom&task=seen-{mark}", None),
    }
    ended, pages = {}, {}
    for name, (path, form) in asked.items():
        status, headers, pages[name] = browse(path, cookie, form)
        ended[name] = [status, read(headers["location"])[0]] if status == 302 else status
    # A push that is too large for an item lies in the bucket.
    told = re.findall(rb'href="(/calls/[^"]*/pushes/[^"]*)"', pages["whole"])
    return {"push": browse(told[0].decode(), cookie)[0] if told else None, **ended}


def fresh(name):
    """Has the next invocation start another process of a function."""
    marked = {"Variables": aws("lambda").get_function_configuration(FunctionName=physical(name))["Environment"]["Variables"]}
    marked["Variables"]["STARTED_ANEW"] = secrets.token_hex(4)
    aws("lambda").update_function_configuration(FunctionName=physical(name), Environment=marked)


def of_exporting(token):
    """Whether hours are written: with calls and a large conversation, and without any more; and whether a lost mark is found."""
    fresh("ExportCalls")
    mark, told = secrets.token_hex(6), {}
    bucket = physical("AnalyticsBucket")
    turns = json.dumps([{"role": "user", "content": "x" * 90_000}])
    note = json.dumps([{"callId": f"export-{mark}", "taskId": "t", "conversationRecord": turns}])
    report = json.dumps([{"callId": f"export-{mark}", "taskId": "t", "originateTime": "2025-06-01 10:00:00"}])
    assert push("alicom-call-note", note, token)[0] == 200 and push("alicom-call-report", report, token)[0] == 200
    table = aws("dynamodb")
    for note_of_run in ("lease", "compared"):
        table.delete_item(TableName=TABLE["name"], Key={"pk": {"S": "run#export-calls"}, "sk": {"S": note_of_run}})
    past = {"S": "2025-06-02T00:00:00.000Z"}
    # One with calls, which is written anew; one that has none, of which a file is left.
    left_over = "calls/day=2024-01-01/00.parquet"
    aws("s3").put_object(Bucket=bucket, Key=left_over, Body=b"left over")
    for hour in ("2025-06-01T02", "2024-01-01T00"):
        table.put_item(TableName=TABLE["name"], Item={"pk": {"S": "dirty"}, "sk": {"S": hour}, "marked_at": past, "since": past})
    failed, answer = invoke("ExportCalls")
    keys = {entry["Key"] for entry in aws("s3").list_objects_v2(Bucket=bucket).get("Contents", [])}
    told = {
        "ran": not failed,
        # What was pushed meanwhile marks hours of its own.
        "hours": not failed and answer["hours"] >= 2,
        "put": "calls/day=2025-06-01/02.parquet" in keys,
        "removed": left_over not in keys,
        "compared": item("run#export-calls", "compared") is not None,
        # The other one's pushes may mark it anew at any moment.
        "mark": item("dirty", "2024-01-01T00") is not None,
    }
    # As it was before: the next round begins anew.
    for key in keys | {left_over}:
        aws("s3").delete_object(Bucket=bucket, Key=key)
    for found in items():
        if found["pk"]["S"] == "dirty":
            table.delete_item(TableName=TABLE["name"], Key={"pk": found["pk"], "sk": found["sk"]})
    return told


ROUNDS = {
    "ExportCallsRole": of_exporting,
    "QueryCallsRole": of_reading,
    "ConsoleRole": of_console,
    "PushRole": of_push,
    "ArchiveRecordingsRole": of_archiving,
    "FetchConversationsRole": of_fetching,
    "SweepErasedRole": of_sweeping,
    "PublishChangesRole": of_publishing,
}


def part(resource):
    """The part of a store that a statement is about: `Table`, `index/by-due`, `large/*`."""
    text = next(iter(resource.values())) if isinstance(resource, dict) else resource
    text = text[0] if isinstance(text, list) else text
    return text.split("Arn}/", 1)[-1]


def as_list(value):
    return value if isinstance(value, list) else [value]


def grants(role, every=False):
    """The grants of a role that hold as it is deployed, or every one: (action, part of the store)."""
    for policy in TEMPLATE["Resources"][role]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            if "Fn::If" in statement:
                condition, statement, _ = statement["Fn::If"]
                if not every and not CONDITIONS[condition]:
                    continue
            for action in as_list(statement["Action"]):
                for resource in as_list(statement["Resource"]):
                    yield action, part(resource)


def without(policy, action, of):
    """A policy without one of its grants."""
    changed = copy.deepcopy(policy)
    left = []
    for statement in changed["Statement"]:
        actions, resources = as_list(statement["Action"]), as_list(statement["Resource"])
        concerned = [resource for resource in resources if action in actions and names(resource, of)]
        if not concerned:
            left.append(statement)
            continue
        others = [each for each in actions if each != action]
        if others:
            left.append({**statement, "Action": others})
        if kept := [resource for resource in resources if resource not in concerned]:
            left.append({**statement, "Action": action, "Resource": kept})
    assert left != changed["Statement"], f"the deployed role has no {action} on {of}"
    return {**changed, "Statement": left}


def names(arn, of):
    """Whether a deployed ARN is that part of the stores."""
    if of == "Table":
        return ":table/" in arn and "/index/" not in arn
    if of in ("Bucket", "AnalyticsBucket"):
        return arn.startswith("arn:aws:s3:::") and "/" not in arn
    if "/" in of or of == "*":
        return arn.endswith(f"/{of}")
    return not arn.startswith("arn:aws:s3") and ":table/" not in arn


def check(token):
    resources = TEMPLATE["Resources"].items()
    every = [(name, resource.get("Condition")) for name, resource in resources if resource["Type"] == "AWS::IAM::Role"]
    roles = [name for name, condition in every if condition is None or CONDITIONS[condition]]
    seen(f"not there as it is deployed here: {', '.join(sorted({name for name, _ in every} - set(roles))) or 'no role'}")
    assert set(roles) == set(ROUNDS), f"no round is told for {set(roles) ^ set(ROUNDS)}"
    client, wrong = aws("iam"), []
    for role in roles:
        if role in NOT_TAKEN_AWAY:
            seen(f"{role}: {NOT_TAKEN_AWAY[role]}")
            continue
        name = physical(role)
        (policy_name,) = client.list_role_policies(RoleName=name)["PolicyNames"]
        policy = client.get_role_policy(RoleName=name, PolicyName=policy_name)["PolicyDocument"]
        usual = ROUNDS[role](token)
        seen(f"{role}: {usual}")
        for action, of in dict.fromkeys(grants(role)):
            if action in UNSEEN:
                continue
            client.put_role_policy(RoleName=name, PolicyName=policy_name, PolicyDocument=json.dumps(without(policy, action, of)))
            outcome = ROUNDS[role](token)
            client.put_role_policy(RoleName=name, PolicyName=policy_name, PolicyDocument=json.dumps(policy))
            differs = {key: outcome[key] for key in outcome if outcome[key] != usual[key]}
            seen(f"{role} without {action} on {of}: {differs or HARMLESS.get((role, action, of))}")
            probe = NEEDED_FOR.get((role, action, of))
            if not differs and (role, action, of) not in HARMLESS or probe and probe not in differs:
                wrong.append(f"without {action} on {of} {role} should not {probe or 'go on as it does'}")
        assert ROUNDS[role](token) == usual, f"{role} as it was: not as it did"
    assert not wrong, wrong
