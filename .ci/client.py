"""A client made of the API's description, and Python's readers of tables, on a local stack: client.py URL TOKEN."""

import csv
import datetime
import io
import json
import sys
import urllib.request

import openpyxl
from generated.api.calls import get_call, list_access, list_calls
from generated.api.description import describe
from generated.api.tasks import get_task, list_tasks
from generated.client import AuthenticatedClient
from generated.models import CallPage, ListCallsOrder, WholeCall

URL, TOKEN = sys.argv[1:]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
DAY = "2025-06-01"


def push(function, elements):
    request = urllib.request.Request(f"{URL}/push/{function}/local", json.dumps(elements).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["code"] == 0


def table(accept):
    headers = {"accept": accept, "authorization": f"Bearer {TOKEN}"}
    with urllib.request.urlopen(urllib.request.Request(f"{URL}/api/calls?day={DAY}&order=asc&limit=100", headers=headers)) as answer:
        return answer.read()


# Ids of which a spreadsheet would make numbers, dates, formulas, or other letters.
IDS = ["10000161^1000018", "00123456789012345678901", "2025-06-01", "=1+1", "+1-2", "1E5", "a/b?c#d~e 漢", "0x10"]
push("alicom-call-report", [
    {"callId": call_id, "taskId": "900719925474099312345", "callee": "8613700009182", "originateTime": f"2025-06-01 00:{minute:02}:00",
     "startTime": f"2025-06-01 00:{minute:02}:05", "endTime": f"2025-06-01 00:{minute:02}:35", "statusCode": "200000"}
    for minute, call_id in enumerate(IDS)
])

client = AuthenticatedClient(base_url=URL, token=TOKEN, raise_on_unexpected_status=True)
listed, cursor = [], None
while True:
    page = list_calls.sync(client=client, day=DAY, order=ListCallsOrder.ASC, limit=3, **({"cursor": cursor} if cursor else {}))
    assert isinstance(page, CallPage), page
    listed += page.calls
    cursor = page.next_
    if not cursor:
        break
assert [call.call_id for call in listed] == IDS, [call.call_id for call in listed]
for call in listed:
    # As `href` has it: the id is written for a path.
    whole = get_call.sync(*call.href.split("/")[-2:], client=client)
    assert isinstance(whole, WholeCall) and whole.call.call_id == call.call_id, whole
    assert whole.call.call_at == datetime.datetime(2025, 5, 31, 16, IDS.index(call.call_id), tzinfo=datetime.timezone.utc), whole.call.call_at
    seen = list_access.sync(*call.href.split("/")[-2:], client=client)
    assert [entry.what for entry in seen.access] == ["call with numbers"], seen
counted = get_task.sync("alicom", "900719925474099312345", client=client)
assert counted.calls == len(IDS), counted
assert [task.calls for task in list_tasks.sync(client=client, day=datetime.date.fromisoformat(DAY)).tasks] == [len(IDS)]
assert describe.sync_detailed(client=client).status_code == 200
print(f"a generated client has listed and shown {len(listed)} calls")

rows = list(csv.DictReader(io.StringIO(table("text/csv").decode("utf-8-sig"))))
sheet = openpyxl.load_workbook(io.BytesIO(table(XLSX)))["calls"]
names, *cells = sheet.iter_rows()
names = [cell.value for cell in names]
cells = [dict(zip(names, row)) for row in cells]
assert len(rows) == len(cells) == len(IDS)
for minute, (call_id, row, cell) in enumerate(zip(IDS, rows, cells)):
    # What a spreadsheet would run is text by the quote before it.
    neutralized = f"'{call_id}" if call_id[0] in "=+-@" else call_id
    assert row["call_id"] == neutralized and cell["call_id"].value == call_id and cell["call_id"].data_type == "s", (row, cell)
    for name, digits in (("task_id", "900719925474099312345"), ("callee", "8613700009182")):
        assert row[name] == cell[name].value == digits, (name, row[name], cell[name].value)
    local = datetime.datetime(2025, 6, 1, 0, minute)
    assert row["call_at_local"] == str(local) and cell["call_at_local"].value == local, (row, cell["call_at_local"].value)
    assert row["call_at"] == cell["call_at"].value == f"2025-05-31T16:{minute:02}:00.000Z", row
print(f"csv and openpyxl have read {len(rows)} rows of {len(names)} columns")
