"""Ids that gateways decode, cut or resolve away, and whether each call and task is found by its link whatever stands before the function."""

import re
import urllib.parse

ODD = (
    "a/b", "10000161^1000018", "a#b", "100%", "a%2Fb", "a?b=c", "~", "~2F", "漢字", "a b", "x/vcon", "x/recordings/main",
    "..", ".", "a&b=c;d", "'\"<script>+,\U0001f600",
)


def escaped(text):
    """An id as one segment of a path, as docs/api.md has it."""
    plain = re.compile(rb"[A-Za-z0-9_-]")
    return "".join(chr(byte) if plain.match(bytes([byte])) else f"~{byte:02X}" for byte in text.encode())


def reports():
    """The elements of a push about a call of each id, each of a task of its own."""
    return [{"callId": text, "taskId": f"task {text}", "callee": "13900000000"} for text in ODD]


def check(read):
    """Looks for each by `read`, which gives the JSON that a path and query of the API is answered with, where that is 200."""
    for text in ODD:
        path = f"/api/calls/alicom/{escaped(text)}"
        found = read(path)["call"]
        assert (found["call_id"], found["href"]) == (text, path), f"{text}: {found}"
        # As clients write it that escape more than they need to.
        found = read(path.replace("~", "%7E"))["call"]
        assert found["call_id"] == text, f"{text}: {found}"
        assert read(f"{path}/vcon")["vcon"] == "0.4.0", text
        task = f"task {text}"
        counted = read(f"/api/tasks/alicom/{escaped(task)}")
        assert (counted["task_id"], counted["calls"]) == (task, 1), f"{text}: {counted}"
        for encode in (urllib.parse.quote, urllib.parse.quote_plus):
            listed = read("/api/calls?" + urllib.parse.urlencode({"provider": "alicom", "task": task}, quote_via=encode))["calls"]
            assert [call["call_id"] for call in listed] == [text], f"{text}: {listed}"
    return len(ODD)
