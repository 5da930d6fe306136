#!/usr/bin/env python3
"""Holds the provider simulator against Alibaba's own SDK, which signs, sends and parses as production does.

    official_sdk.py ENDPOINT KEY_ID KEY_SECRET TASK_ID BATCH_ID DETAIL_ID

ENDPOINT is host:port, spoken to in plain HTTP. The detail has to be a completed call with a recording and a
conversation. Exits with 0 if the SDK is accepted and reads every answer, and is refused with a wrong secret and a wrong
key id; with 1 and the reason otherwise. Needs the packages of official_sdk_requirements.txt.
"""

import json
import sys
import urllib.request

from alibabacloud_aiccs20191015 import models
from alibabacloud_aiccs20191015.client import Client
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.runtime import RuntimeOptions

# Milliseconds; nothing here leaves the machine.
RUNTIME = RuntimeOptions(connect_timeout=5_000, read_timeout=5_000, autoretry=False)


class Mismatch(Exception):
    """An answer is not what it should be."""


def expect(name, got, wanted):
    if got != wanted:
        raise Mismatch(f"{name}: got {got!r}, wanted {wanted!r}")


def client(endpoint, key_id, key_secret):
    return Client(Config(access_key_id=key_id, access_key_secret=key_secret, endpoint=endpoint, protocol="http"))


def check_conversation(sdk, request):
    body = sdk.query_conversation_detail_info_with_options(request, RUNTIME).body
    expect("Success", body.success, True)
    expect("Code", body.code, "OK")
    data = body.data
    for name in ("call_id", "call_result", "called_phone", "caller_phone", "recording_file_download_url"):
        if not isinstance(getattr(data, name), str) or not getattr(data, name):
            raise Mismatch(f"Data has no {name}")
    for name in ("start_call_time", "pick_up_time", "release_time", "duration"):
        expect(f"type of {name}", type(getattr(data, name)), int)
    roles = {turn["role"] for turn in json.loads(data.conversation_record)}
    expect("roles", roles <= {"user", "assistant"} and bool(roles), True)
    with urllib.request.urlopen(data.recording_file_download_url, timeout=5) as recording:
        expect("length of the recording", len(recording.read()), int(recording.headers["Content-Length"]))
    return data


def check_lists(sdk, request, call_id):
    details = sdk.query_ai_call_detail_page_with_options(
        models.QueryAiCallDetailPageRequest(
            task_id=request.task_id, batch_id=request.batch_id, status=1, page_no=1, page_size=100
        ),
        RUNTIME,
    ).body
    expect("Success of the details", details.success, True)
    expect("size of the details' page", len(details.data.list), min(details.data.total, 100))
    listed = {detail.detail_id: detail.call_id for detail in details.data.list}
    expect("the detail's call", listed.get(request.detail_id), call_id)
    tasks = sdk.query_ai_call_task_page_with_options(
        models.QueryAiCallTaskPageRequest(task_id=request.task_id), RUNTIME
    ).body
    expect("tasks", [task.task_id for task in tasks.data.list], [request.task_id])


def check_refused(sdk, request, code):
    try:
        sdk.query_conversation_detail_info_with_options(request, RUNTIME)
    except AlibabaCloudException as refusal:
        expect("code of the refusal", refusal.code, code)
        return
    raise Mismatch(f"accepted where {code} was due")


def main(arguments):
    if len(arguments) != 6:
        print(__doc__, file=sys.stderr)
        return 2
    endpoint, key_id, key_secret, task_id, batch_id, detail_id = arguments
    request = models.QueryConversationDetailInfoRequest(task_id=task_id, batch_id=batch_id, detail_id=detail_id)
    try:
        sdk = client(endpoint, key_id, key_secret)
        data = check_conversation(sdk, request)
        check_lists(sdk, request, data.call_id)
        check_refused(client(endpoint, key_id, key_secret + "x"), request, "SignatureDoesNotMatch")
        check_refused(client(endpoint, key_id + "x", key_secret), request, "InvalidAccessKeyId.NotFound")
        incomplete = models.QueryConversationDetailInfoRequest(task_id=task_id, batch_id=batch_id)
        check_refused(sdk, incomplete, "MissingDetailId")
    except (Mismatch, AlibabaCloudException, OSError, ValueError) as problem:
        print(f"official SDK: {type(problem).__name__}: {problem}", file=sys.stderr)
        return 1
    print("official SDK: accepted, and refused where it should be")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
