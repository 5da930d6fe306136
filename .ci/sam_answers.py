"""Checks what `sam local invoke` answered for every function, and the items that it left in the local stack's table.

Usage: sam_answers.py <folder with <function>.answer> <DynamoDB's endpoint>
"""

import gzip
import json
import sys
from pathlib import Path

import boto3

SCHEDULED = {
    "archive-recordings": {"archived", "retried", "expired", "failed", "bytes", "time_left_ms"},
    "fetch-conversations": {"fetched", "unchanged", "throttled", "failed", "reconciled", "time_left_ms"},
    "export-calls": {
        "other_run", "hours", "calls", "unreadable", "put", "bytes", "removed", "marked", "failed", "left", "oldest_minutes", "time_left_ms",
    },
    "sweep-erased": {"looked_at", "items", "versions", "kept", "failed", "left", "time_left_ms"},
}


def items(endpoint):
    """All items of the table, by sort key."""
    table = boto3.resource("dynamodb", endpoint_url=endpoint).Table("callvault")
    page = table.scan()
    found = page["Items"]
    while "LastEvaluatedKey" in page:
        page = table.scan(ExclusiveStartKey=page["LastEvaluatedKey"])
        found += page["Items"]
    return found


def text(push):
    """A verbatim push's text, which may be compressed."""
    return push["body"] if "body" in push else gzip.decompress(push["body_gzip"].value).decode()


def check_push(function, answer, found):
    assert answer["statusCode"] == 200, answer
    body = json.loads(answer["body"])
    assert body == {"code": 0, "msg": "stored 1"}, body
    event = json.loads(Path(f"events/{function}.json").read_text())
    pushes = [item for item in found if item["sk"].startswith(f"push#{function}#") and item["pk"] != "call#alicom#ci"]
    assert len(pushes) == 1, f"{len(pushes)} verbatim pushes"
    assert text(pushes[0]) in event["body"], "the push is not stored as it came"
    calls = [item for item in found if (item["pk"], item["sk"]) == (pushes[0]["pk"], "call")]
    assert len(calls) == 1 and function in calls[0]["sources"], "the call does not name its source"


def main(folder, endpoint):
    found = items(endpoint)
    for path in sorted(Path("functions").iterdir()):
        function = path.name
        answer = json.loads((Path(folder) / f"{function}.answer").read_text().strip().splitlines()[-1])
        if function == "archive-recordings":
            assert answer["archived"] == 1 and answer["bytes"] > 0, f"{function}: {answer}"
            states = [item["state"] for item in found if item["pk"] == "call#alicom#ci" and "state" in item]
            assert states == ["archived"], f"{function}: {states}"
        if function == "query-calls":
            assert answer["statusCode"] == 200 and json.loads(answer["body"])["openapi"].startswith("3.1"), f"{function}: {answer}"
        elif function == "console":
            assert answer["statusCode"] == 200 and answer["body"].startswith("<!DOCTYPE html>"), f"{function}: {answer}"
        elif function == "publish-changes":
            assert answer == {"batchItemFailures": []}, f"{function}: {answer}"
        elif function in SCHEDULED:
            assert SCHEDULED[function] <= answer.keys(), f"{function}: {answer}"
        else:
            check_push(function, answer, found)
        print(f"{function}: as it should be")


if __name__ == "__main__":
    main(*sys.argv[1:])
