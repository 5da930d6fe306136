"""Finds calls with odd ids through `sam local start-api`, with a token of the local stack's issuer.

Usage: sam_ids.py <local stack's API> <SAM's API> <local stack's issuer>
"""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "emulation"))
import ids  # noqa: E402


def ask(url, data=None, method=None, headers=None):
    """(status, answer)."""
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def main(stack, gateway, issuer):
    status, answer = ask(f"{stack}/push/alicom-call-report/local", json.dumps(ids.reports()).encode())
    assert status == 200 and json.loads(answer)["code"] == 0, answer
    form = {"grant_type": "client_credentials", "client_id": "local-machine", "client_secret": "local-machine"}
    status, answer = ask(f"{issuer}/token", urllib.parse.urlencode(form).encode())
    assert status == 200, answer
    bearer = {"Authorization": f"Bearer {json.loads(answer)['access_token']}"}

    status, answer = ask(f"{gateway}/api/calls")
    assert status == 401, f"without a token: {status} {answer}"

    def read(path):
        status, answer = ask(gateway + path, headers=bearer)
        assert status == 200, f"{path}: {status} {answer}"
        return json.loads(answer)

    print(f"{ids.check(read)} odd ids found through sam local start-api")


if __name__ == "__main__":
    main(*sys.argv[1:])
