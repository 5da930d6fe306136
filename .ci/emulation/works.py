"""The deployed functions do what they are for."""

import json
import re
import struct
import time
import zipfile
from io import BytesIO

from urllib.request import urlopen

import ids
from stage import (
    BUILD, FUNCTIONS, PUSHES, RECORDINGS, SCHEDULED, TABLE, WORK, access_token, await_, aws, invoke, item, items, objects,
    physical, push, read, sample, seen,
)

# ELF's numbers of processors.
MACHINES = {0xB7: "arm64", 0x3E: "x86_64"}


def as_built():
    """Each function's processors are those that its program was built for, and its settings are text."""
    for name in FUNCTIONS:
        function = aws("lambda").get_function(FunctionName=physical(name))
        code = urlopen(function["Code"]["Location"].replace("http:", "https:")).read()
        program = zipfile.ZipFile(BytesIO(code)).read("bootstrap")
        assert program == (BUILD / name / "bootstrap").read_bytes(), f"{name}: not what was built"
        machine = MACHINES[struct.unpack_from("<H", program, 18)[0]]
        assert function["Configuration"]["Architectures"] == [machine], f"{name}: built for {machine}"
        own = FUNCTIONS[name]["Properties"].get("Environment", {}).get("Variables", {})
        numbers = [key for key, value in own.items() if not isinstance(value, (str, dict))]
        assert not numbers, f"{name}: {numbers} are not text"
    seen(f"{len(FUNCTIONS)} functions: built and deployed for {machine}")


def stored(function, pk):
    call = item(pk, "call")
    return call is not None and function in call["sources"]["M"]


def pushes(token):
    versions = aws("s3").get_bucket_versioning(Bucket=TABLE["bucket"])
    assert versions.get("Status") == "Enabled", f"what is overwritten can't be had back: {versions}"
    for function in PUSHES:
        status, answer = push(function, sample(function), token)
        assert (status, json.loads(answer)["msg"]) == (200, "stored 1"), f"{function}: {status} {answer}"
        status, _ = push(function, sample(function), "wrong")
        assert status == 401, f"{function}: {status} with a wrong token"
    sources = {source for found in items() if found["sk"]["S"] == "call" for source in found["sources"]["M"]}
    assert sources == set(PUSHES), f"calls tell of {sources}"
    function = sorted(PUSHES)[-1]
    before = len(objects("rejected/"))
    status, answer = push(function, "not JSON", token)
    assert status == 400 and json.loads(answer)["code"] != 0, f"{status} {answer}"
    assert len(objects("rejected/")) == before + 1, "what is not JSON is kept"
    large = json.dumps([{"callId": "large", "unknown": "x" * 3_000_000}])
    status, answer = push("alicom-call-report", large, token)
    assert status == 200, f"a large push: {status} {answer[:200]}"
    assert any(size > 2_900_000 for size in objects("large/").values()), "its bytes lie in the bucket"
    seen(f"{len(PUSHES)} samples stored, wrong tokens refused, what is not JSON kept, 3 MB in the bucket")


def announce(token, name, query=""):
    """A call's recording, of the simulator's."""
    body = json.dumps([{"callId": name, "recordFile": f"http://{RECORDINGS}/recordings/{name}.wav{query}"}])
    status, answer = push("alicom-call-record", body, token)
    assert status == 200, answer
    return f"call#alicom#{name}"


def recording(pk):
    return item(pk, "recording#main")


def scheduled(token):
    put, parts = announce(token, "put"), announce(token, "parts", "?bytes=9000000")
    failed, answer = invoke("ArchiveRecordings")
    assert not failed and answer["archived"] == 2, answer
    for pk, size in ((put, None), (parts, 9_000_000)):
        found = recording(pk)
        assert found["state"]["S"] == "archived", found
        assert size in (None, int(found["bytes"]["N"])), found
    assert len(objects("recordings/")) == 2
    # What is tried again is known with its expiry, which the index tells: the soonest goes first, and an alarm goes by it.
    expires = int(time.time()) + 6 * 3600
    waits = announce(token, "waits", f"?fault=server-error&OSSAccessKeyId=k&Expires={expires}&Signature=s")
    invoke("ArchiveRecordings")
    failed, answer = invoke("ArchiveRecordings")
    told = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(expires))
    assert not failed and answer.get("next_expiry") == told, answer
    aws("dynamodb").delete_item(TableName=TABLE["name"], Key={"pk": {"S": waits}, "sk": {"S": "recording#main"}})
    # What no release of ours wrote is set aside, and told: nothing else waits for it.
    pk, beside = announce(token, "unreadable"), announce(token, "beside")
    aws("dynamodb").put_item(TableName=TABLE["name"], Item={**recording(pk), "state": {"S": "of nobody"}})
    failed, answer = invoke("ArchiveRecordings")
    assert not failed and answer["unreadable"] == 1 and recording(beside)["state"]["S"] == "archived", answer
    aws("dynamodb").delete_item(TableName=TABLE["name"], Key={"pk": {"S": pk}, "sk": {"S": "recording#main"}})
    failed, answer = invoke("FetchConversations")
    assert not failed and answer["fetched"] == 0, f"without keys: {answer}"
    for function, name in SCHEDULED.items():
        failed, answer = invoke(name)
        assert not failed, f"{function}: {answer}"
    # By their schedules.
    pk = announce(token, "by-schedule")
    schedules = aws("scheduler").list_schedules()["Schedules"]
    assert len(schedules) == len(SCHEDULED), f"{len(schedules)} schedules"
    (WORK / "hour").touch()
    await_("the archiver, by its schedule", lambda: recording(pk)["state"]["S"] == "archived")
    await_("the schedules", lambda: not (WORK / "hour").exists())
    seen(f"one archived by a put, one in parts, one by its schedule; {', '.join(SCHEDULED)} ran")


def reads(token):
    """What was pushed is read with a program's token, and by nobody without one; each look is written down."""
    status, answer = push("alicom-call-report", json.dumps([{"callId": "read/me^", "callee": "13900000000"}]), token)
    assert status == 200, answer
    reader = access_token()
    for wrong in (None, "x", reader[:-8] + "AAAAAAAA", token):
        status, headers, answer = read("/api/calls", wrong)
        assert status == 401 and headers["www-authenticate"].startswith("Bearer"), f"{status} {answer}"
    status, _, answer = read("/api/calls", reader)
    assert status == 200 and any(call["call_id"] == "read/me^" for call in json.loads(answer)["calls"]), answer
    looked = lambda: [found for found in items() if found["pk"]["S"].startswith("access#alicom#read/me^")]
    assert not looked()
    status, _, answer = read("/api/calls/alicom/read~2Fme~5E", reader)
    assert status == 200 and json.loads(answer)["call"]["callee"] == "13900000000", answer
    assert [found["actor"]["S"].split(":")[0] for found in looked()] == ["machine"], looked()
    status, _, answer = read("/api/nothing", reader)
    assert status == 404, answer
    status, answer = push("alicom-call-report", json.dumps(ids.reports()), token)
    assert status == 200, answer

    def found(path):
        status, _, answer = read(path, reader)
        assert status == 200, f"{path}: {status} {answer}"
        return json.loads(answer)

    odd = ids.check(found)
    seen(f"a program's token reads; none, another and an altered one are 401; each look is written down; {odd} odd ids found")
