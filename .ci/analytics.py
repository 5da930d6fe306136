"""Analytics' files, as DuckDB, pyarrow and pandas read them."""

import datetime
import decimal
import json
import os
import pathlib
import sys
import time

import duckdb
import pandas
import pyarrow
import pyarrow.dataset
import yaml

HERE = pathlib.Path(__file__).parent
DATA_SETS = ("calls", "turns", "recordings")


class Tags(yaml.SafeLoader):
    """Reads the template without making anything of CloudFormation's short forms."""


Tags.add_multi_constructor("!", lambda loader, suffix, node: node.value)


def queries():
    """The template's named queries, by name."""
    resources = yaml.load((HERE.parent / "template.yaml").read_text(), Tags)["Resources"].values()
    named = [resource["Properties"] for resource in resources if resource["Type"] == "AWS::Athena::NamedQuery"]
    return {query["Name"].removeprefix("callvault: "): query["QueryString"] for query in named}


def connect(folder):
    database = duckdb.connect()
    database.execute("SET timezone = 'UTC'")
    for name in DATA_SETS:
        files = f"{folder}/{name}/*/*.parquet"
        database.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{files}', hive_partitioning = true, union_by_name = true)")
    return database


def plain(value):
    """A value as JSON has it, with every digit of an amount."""
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return value


def known(folder):
    """Files of known calls: the answers to every query, money, letters."""
    database = connect(folder)
    answers = {}
    for name, query in queries().items():
        answer = database.execute(query)
        columns = [column[0] for column in answer.description]
        answers[name] = [columns] + [[plain(value) for value in row] for row in answer.fetchall()]
    golden = HERE / "analytics_golden.json"
    if "--accept" in sys.argv:
        lines = (f" {json.dumps(name)}: [\n" + ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in rows) + "\n ]" for name, rows in answers.items())
        golden.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    expected = json.loads(golden.read_text())
    assert answers == expected, json.dumps(answers, ensure_ascii=False, indent=1)

    digits = {"laaffic-0": "0.1", "laaffic-1": "0.2", "laaffic-2": "0.0000000001", "laaffic-3": "1234567890123456.7890123456", "laaffic-4": None, "laaffic-5": None, "laaffic-6": None}
    exact = {name: text and decimal.Decimal(text) for name, text in digits.items()}
    total = sum(amount for amount in exact.values() if amount is not None)
    with decimal.localcontext(prec=60):
        assert float(total) != total, "no floating-point number is it"
        told = database.execute("SELECT call_id, cost_amount, cost_text FROM calls WHERE provider = 'laaffic'").fetchall()
        assert {call: amount for call, amount, _ in told} == exact, told
        texts = {call: text for call, _, text in told if text is not None}
        # Two of the last two would overflow the column's type, and so any sum.
        assert texts == {"laaffic-4": "0.12345678901", "laaffic-5": "9" * 28, "laaffic-6": "9" * 28}, told
        assert database.execute("SELECT sum(cost_amount) FROM calls").fetchone()[0] == total
        table = pyarrow.dataset.dataset(f"{folder}/calls", partitioning="hive").to_table()
        assert table.schema.field("cost_amount").type == pyarrow.decimal128(38, 10), table.schema
        assert table.schema.field("call_at").type == pyarrow.timestamp("ms", tz="UTC"), table.schema
        rows = [row for row in table.to_pylist() if row["provider"] == "laaffic"]
        assert {row["call_id"]: row["cost_amount"] for row in rows} == exact, rows
        frame = table.to_pandas()
        frame = frame[frame["provider"] == "laaffic"]
        amounts = frame["cost_amount"].dropna()
        assert all(isinstance(amount, decimal.Decimal) for amount in amounts) and sum(amounts) == total
        direct = pandas.concat(pandas.read_parquet(file) for file in sorted(pathlib.Path(folder).glob("calls/*/*.parquet")))
        assert sum(direct["cost_amount"].dropna()) == total

    texts = {row[0] for row in database.execute("SELECT DISTINCT text FROM turns WHERE speaker = 'agent'").fetchall()}
    assert texts == {"您好😀，請問方便嗎？"}, texts
    turns = pyarrow.dataset.dataset(f"{folder}/turns", partitioning="hive").to_table().to_pylist()
    assert {turn["text"] for turn in turns if turn["turn"] == 0} == texts
    tags = database.execute("SELECT DISTINCT tag.name, tag.value FROM (SELECT unnest(tags) AS tag FROM calls) ORDER BY ALL").fetchall()
    assert tags == [("地區", "Köln"), ("地區", "東京"), ("是否本人", "是")], tags
    print(f"{len(answers)} queries answered, money exact by DuckDB, pyarrow and pandas, {len(turns)} turns whole")


def simulated(folder):
    """The files of a simulation, by DuckDB and by pyarrow, against its truth; and what was counted of them."""
    truth = {}
    for line in pathlib.Path(folder, "truth.ndjson").read_text().splitlines():
        call = json.loads(line, parse_float=decimal.Decimal)
        truth[call["provider"], call["call_id"]] = call
    database = connect(folder)
    by_duckdb = database.execute("SELECT * FROM calls")
    names = [column[0] for column in by_duckdb.description]
    by_duckdb = [dict(zip(names, row)) for row in by_duckdb.fetchall()]
    by_pyarrow = pyarrow.dataset.dataset(f"{folder}/calls", partitioning="hive").to_table().to_pylist()
    differences = []
    for reader, rows in (("duckdb", by_duckdb), ("pyarrow", by_pyarrow)):
        seen = {}
        for row in rows:
            key = row["provider"], row["call_id"]
            if key in seen:
                differences.append(f"{reader}: {key} is in two rows")
            seen[key] = row
        differences += [f"{reader}: {key} is in no row" for key in truth.keys() - seen.keys()]
        differences += [f"{reader}: {key} is in a row, and there was no such call" for key in seen.keys() - truth.keys()]
        for key in truth.keys() & seen.keys():
            differences += [f"{reader}: {key}: {what}" for what in unlike(truth[key], seen[key])]
    said = {}
    for provider, call, turn, speaker, text in database.execute("SELECT provider, call_id, turn, speaker, text FROM turns ORDER BY ALL").fetchall():
        said.setdefault((provider, call), []).append((speaker, text))
    for key, call in truth.items():
        expected = [(turn.get("speaker"), turn["text"]) for turn in call["turns"]]
        if said.get(key, []) != expected:
            differences.append(f"{key}: said {said.get(key, [])}, expected {expected}")
    recordings = database.execute("SELECT provider, call_id, slot FROM recordings ORDER BY ALL").fetchall()
    expected = sorted((*key, slot) for key, call in truth.items() for slot in call["recordings"])
    if recordings != expected:
        differences.append(f"{len(recordings)} recordings, expected {len(expected)}")

    counted, answered, cost = 0, 0, {}
    for file in pathlib.Path(folder, "summaries").glob("*/*.json"):
        summary = json.loads(file.read_text())
        counted += summary["calls"]
        for task in summary["tasks"]:
            answered += task["answered"]
            for currency, total in task.get("cost", {}).items():
                cost[currency] = cost.get(currency, 0) + decimal.Decimal(total)
    calls, by_answer = database.execute("SELECT count(*), count(*) FILTER (WHERE answered) FROM calls").fetchone()
    by_cost = dict(database.execute("SELECT cost_currency, sum(cost_amount) FROM calls WHERE cost_currency IS NOT NULL GROUP BY 1").fetchall())
    if (counted, answered, cost) != (calls, by_answer, by_cost) or counted != len(truth):
        differences.append(f"counted {counted}, {answered}, {cost}; in rows {calls}, {by_answer}, {by_cost}; there were {len(truth)}")
    for difference in differences[:50]:
        print(difference)
    print(f"{len(truth)} calls, {sum(map(len, said.values()))} turns, {len(recordings)} recordings: {len(differences)} differences")
    assert not differences


def full(folder):
    """How long a month's funnel takes on two processors: of a day of a million calls, and of thirty such days."""
    folder = pathlib.Path(folder)
    [day] = folder.glob("calls/*")
    for number in range(2, 31):
        later = day.parent / f"day=2025-06-{number:02}"
        later.mkdir()
        for file in day.iterdir():
            os.link(file, later / file.name)
    funnel = queries()["funnel by task"]
    assert "BETWEEN DATE '2025-06-01' AND DATE '2025-06-30'" in funnel
    of_a_day = sum(file.stat().st_size for file in day.iterdir())
    for what, files in (("a day", f"{day}/*.parquet"), ("thirty days", f"{folder}/calls/*/*.parquet")):
        database = duckdb.connect()
        database.execute("SET threads = 2")
        database.execute(f"CREATE VIEW calls AS SELECT * FROM read_parquet('{files}', hive_partitioning = true, union_by_name = true)")
        times = []
        for _ in range(5):
            began = time.monotonic()
            rows = database.execute(funnel).fetchall()
            times.append(time.monotonic() - began)
        calls = sum(row[2] for row in rows)
        assert len(rows) > 1 and calls == database.execute("SELECT count(*) FROM calls").fetchone()[0]
        print(f"the funnel of {what}, {calls} calls in {len(rows)} tasks: {min(times):.2f} s at best, {sorted(times)[2]:.2f} s in the middle of five")
    print(f"{of_a_day / 1e6:.0f} MB a day")


def unlike(call, row):
    """What of a row is not the truth."""
    for name in ("task_id", "outcome", "duration_s", "billed_s", "intent_code", "hangup_by", "attempt", "batch_id"):
        if row[name] != call.get(name):
            yield f"{name} {row[name]!r}, expected {call.get(name)!r}"
    cost = call.get("cost") or {}
    if cost and row["cost_text"] is None and (row["cost_amount"], row["cost_currency"]) != (decimal.Decimal(cost["amount"]), cost["currency"]):
        yield f"cost {row['cost_amount']} {row['cost_currency']}, expected {cost}"
    if not cost and row["cost_amount"] is not None:
        yield f"cost {row['cost_amount']}, and there was none"
    for name in ("call_at", "answered_at", "ended_at"):
        told = call.get(name) and datetime.datetime.fromisoformat(call[name])
        if row[name] != told:
            yield f"{name} {row[name]}, expected {told}"
    if len(call["turns"]) != row["turn_count"] or len(call["recordings"]) != row["recording_count"]:
        yield f"{row['turn_count']} turns and {row['recording_count']} recordings"


{"known": known, "simulated": simulated, "full": full}[sys.argv[1]](sys.argv[2])
