"""Pushes numbers crowded where a reader may stop, and reads the items back by boto3's resource layer.

Prints, for the next reader, the numbers by call: as they were written.

Usage: readers.py <the API's endpoint> <DynamoDB's endpoint> <table>
"""

import json
import random
import sys
import urllib.request
from decimal import Decimal

import boto3

CALLS = 40
NUMBERS = 50
BORDERS = [10**37, 10**38, 10**39, 2**53, 2**63, 10**15, 10**16, 10**125, 10**126, 1, 0]


def written(chance):
    """A JSON number."""
    sign = chance.choice(["", "-"])
    kind = chance.randrange(6)
    if kind == 0:
        whole = str(abs(chance.choice(BORDERS) + chance.randint(-3, 3)))
    elif kind == 1:
        whole = str(chance.randint(10 ** chance.randint(33, 40), 10**41))
    elif kind == 2:
        whole = "1" + "0" * chance.randint(34, 42)
    elif kind == 3:
        whole = "9" * chance.randint(14, 40)
    else:
        whole = str(chance.randint(0, 10 ** chance.randint(0, 17)))
    fraction = chance.choice(["", "", "", ".5", ".0", ".10", "." + "0" * chance.randint(1, 130) + "1", f".{chance.randint(0, 10**37)}"])
    exponents = [0, 1, -1, 37, 38, -38, 125, 126, -128, -129, -130, -131, 308, 999, -999, 10**20]
    exponent = chance.choice(["", "", f"e{chance.choice(exponents)}", f"E+{chance.randint(0, 140)}", f"e-{chance.randint(0, 170)}"])
    return sign + whole + fraction + exponent


def items(table):
    """All items of the table."""
    page = table.scan()
    found = page["Items"]
    while "LastEvaluatedKey" in page:
        page = table.scan(ExclusiveStartKey=page["LastEvaluatedKey"])
        found += page["Items"]
    return found


def main(api, endpoint, name):
    chance = random.Random(38)
    numbers = {f"call-{call}": [written(chance) for _ in range(NUMBERS)] for call in range(CALLS)}
    for call, its in numbers.items():
        body = f'[{{"callId":"{call}","duration":{its[0]},"new":[{",".join(its)}]}}]'
        request = urllib.request.Request(f"{api}/push/alicom-call-report/local", body.encode())
        answer = json.load(urllib.request.urlopen(request))
        assert answer["msg"] == "stored 1", (answer, body)
    table = boto3.resource("dynamodb", endpoint_url=endpoint).Table(name)
    calls = {item["call_id"]: item for item in items(table) if item["sk"] == "call"}
    assert calls.keys() == numbers.keys(), calls.keys()
    as_numbers = 0
    for call, its in numbers.items():
        kept = table.get_item(Key={"pk": f"call#alicom#{call}", "sk": "call"})["Item"]["extra"]["alicom-call-report"]["new"]
        assert len(kept) == len(its)
        for number, value in zip(its, kept):
            if isinstance(value, Decimal):
                as_numbers += 1
                # Compared by value: exponents of many digits are zeros'.
                exact = Decimal(0) if not any(digit in "123456789" for digit in number.lower().split("e")[0]) else Decimal(number)
                assert value == exact, (number, value)
            else:
                # serde_json writes the sign of an exponent.
                assert value.replace("e+", "e") == number.lower().replace("e+", "e"), (number, value)
    total = CALLS * NUMBERS
    assert total * 0.2 < as_numbers < total * 0.9, f"{as_numbers} of {total} are numbers"
    print(f"boto3 reads {total} numbers, {as_numbers} of them as numbers", file=sys.stderr)
    print(json.dumps(numbers))


if __name__ == "__main__":
    main(*sys.argv[1:])
