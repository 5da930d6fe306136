"""What the check works with: the emulator and what runs beside it, the documentation's commands, the stack and its stores."""

import base64
import hmac
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import boto3
import yaml
from botocore.config import Config
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

sys.path.insert(0, str(Path(__file__).parent))
from docs import Page

WORK = Path(os.environ["EMULATED_WORK"])
BUILD = Path(os.environ["EMULATED_BUILD"])
CALLVAULT = os.environ["EMULATED_CALLVAULT"]
PROJECT = WORK / "project"
STACK = "callvault"
REGION = os.environ["AWS_REGION"]
RECORDINGS = "127.0.0.1:4000"
DEPLOYING = Page("docs/deploying.md")

started = time.monotonic()


def step(text):
    print(f"\n== emulated: {text} ({time.monotonic() - started:.0f} s)", flush=True)


def seen(text):
    print(f"   {text}", flush=True)


# The template, as it was built.


class Loader(yaml.SafeLoader):
    pass


def short_form(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", short_form)


def read_template(path):
    return yaml.load(Path(path).read_text(), Loader)


TEMPLATE = read_template(BUILD / "template.yaml")
FUNCTIONS = {
    name: resource for name, resource in TEMPLATE["Resources"].items() if resource["Type"] == "AWS::Serverless::Function"
}


def kebab(name):
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def triggered_by(kind):
    return {
        kebab(name): name
        for name, resource in FUNCTIONS.items()
        if any(event["Type"] == kind for event in resource["Properties"].get("Events", {}).values())
    }


PUSHES = triggered_by("HttpApi")
SCHEDULED = triggered_by("ScheduleV2")


# What runs beside.


def background(name, command, **variables):
    with (WORK / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **variables})


def await_(what, of):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if of():
                return
        except Exception:
            pass
        time.sleep(0.1)
    sys.exit(f"{what}: not within a minute")


def start():
    python = f"{os.environ['EMULATED_ENV']}/bin/python"
    background("resolver", [python, ".ci/emulation/network.py", "resolver"])
    background("provider", [CALLVAULT, "provider", "--port", "4000"])
    (WORK / "tmp").mkdir(exist_ok=True)
    background(
        "emulator",
        [python, ".ci/emulation/emulator.py", str(WORK)],
        AUTH="true",
        USE_SSL="1",
        MINISTACK_SSL_CERT=str(WORK / "server.pem"),
        MINISTACK_SSL_KEY=str(WORK / "server.key"),
        MINISTACK_HOST=f"{REGION}.amazonaws.com",
        MINISTACK_REGION=REGION,
        GATEWAY_PORT="443",
        BIND_HOST="127.0.0.1",
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",
        TMPDIR=str(WORK / "tmp"),
        LOG_LEVEL="INFO",
    )
    await_("the emulator", lambda: aws("sts").get_caller_identity())


def aws(service):
    # An invocation takes as long as it takes, and is not repeated.
    return boto3.client(service, config=Config(read_timeout=900, retries={"total_max_attempts": 1}))


# The documentation's commands.


def shims():
    """`cargo run -- …` is `callvault …`, `sam build` is what was built; the rest is itself."""
    folder = WORK / "bin"
    folder.mkdir(exist_ok=True)
    sam = shutil.which("sam")
    scripts = {
        "cargo": f'[ "$1 $2" = "run --" ] || {{ echo "cargo $*" >&2; exit 1; }}\nshift 2\nexec {CALLVAULT} "$@"',
        "sam": 'if [ "$1" = build ]; then\n'
        f'    rm -rf .aws-sam && mkdir .aws-sam && cp -al "$(cat {WORK}/builds)" .aws-sam/build\n'
        "    exit\n"
        f'fi\nexec {sam} "$@"',
        "git": '[ "$1" = pull ] || [ "$1" = checkout ]',
    }
    for name, script in scripts.items():
        path = folder / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"


def tell(command, fails=False):
    """Runs a command of the documentation in the project, as somebody would who types it, and keeps the variables that it sets."""
    variables = WORK / "variables"
    script = f"set -euo pipefail\n[ ! -f {variables} ] || . {variables}\n{command}\nexport -p >{variables}; declare -f >>{variables}\n"
    done = subprocess.run(
        ["bash", "-c", script], cwd=PROJECT, input=b"y\n" * 20, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output = done.stdout.decode(errors="replace")
    with (WORK / "commands.log").open("a") as log:
        log.write(f"$ {command}\n{output}\n")
    if bool(done.returncode) != fails:
        print(output[-6000:])
        sys.exit(f"{'succeeded' if fails else f'ended with {done.returncode}'}: {command}")
    return output


def project(build):
    """A copy of the project, as far as deploying needs it."""
    PROJECT.mkdir(exist_ok=True)
    for name in ("template.yaml", "stores.yaml", "samconfig.toml"):
        shutil.copy(name, PROJECT / name)
    (WORK / "builds").write_text(str(build))


def parameters(**changed):
    """Edits parameters.yaml as the documentation says: a line for each parameter."""
    path = PROJECT / "parameters.yaml"
    values = yaml.safe_load(path.read_text()) if path.exists() else {}
    values |= changed
    path.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in values.items() if value is not None))


# The stack.


def outputs():
    stack = aws("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def physical(logical):
    return aws("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId=logical)[
        "StackResourceDetail"
    ]["PhysicalResourceId"]


def push(function, body, token, headers=None, base=None):
    """(status, answer) of a push."""
    # An older template tells no more than the routes.
    base = base or outputs()["AlicomCallReportUrl"].split("/push/")[0]
    url = f"{base}/push/{function}/{token}"
    request = urllib.request.Request(url, data=body.encode(), method="POST", headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def read(path, token=None):
    """(status, headers, answer) of a reader's request, at the readers' API or at the URL that it answered."""
    url = path if path.startswith("https:") else outputs()["ReadersUrl"] + path
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with NO_REDIRECTS.open(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def session(permissions):
    """The cookie of somebody who is signed in to the console with these permissions: sealed as the console seals it, by the stack's own key."""
    secret = json.loads(aws("secretsmanager").get_secret_value(SecretId=physical("SessionSecret"))["SecretString"])
    key = hmac.digest(secret["session_key"].encode(), b"callvault: the console's sessions, 1", "sha256")
    settings = aws("lambda").get_function_configuration(FunctionName=physical("Console"))["Environment"]["Variables"]
    told = {
        "iss": settings["OIDC_ISSUER"], "client": settings["OIDC_CLIENT_ID"], "sub": "round", "name": "round",
        "permissions": permissions, "ends_ms": int(time.time() * 1000) + 3_600_000, "form": "00" * 16,
    }
    nonce = secrets.token_bytes(12)
    sealed = nonce + AESGCM(key).encrypt(nonce, json.dumps(told).encode(), b"session")
    return "__Host-callvault=" + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def browse(path, cookie, form=None):
    """(status, headers, page) of the console, for somebody with that cookie; of what a form asks for, where one is sent."""
    # What a form carries of that session: a pad of zeros, and its secret.
    body = urllib.parse.urlencode({"form": "0" * 64, **form}).encode() if form is not None else None
    request = urllib.request.Request(outputs()["ReadersUrl"] + path, data=body, headers={"Cookie": cookie})
    try:
        with NO_REDIRECTS.open(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


class Unredirected(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


NO_REDIRECTS = urllib.request.build_opener(Unredirected)


def access_token():
    """A token of the program's client, by its credentials."""
    told = outputs()
    client = aws("cognito-idp").describe_user_pool_client(UserPoolId=told["UserPoolId"], ClientId=told["MachineClientId"])["UserPoolClient"]
    credentials = base64.b64encode(f"{client['ClientId']}:{client['ClientSecret']}".encode()).decode()
    request = urllib.request.Request(
        told["TokenUrl"], data=b"grant_type=client_credentials", headers={"Authorization": f"Basic {credentials}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["access_token"]


def invoke(logical):
    """(whether it failed, answer) of a scheduled function."""
    answer = aws("lambda").invoke(FunctionName=physical(logical), Payload=b"{}")
    return "FunctionError" in answer, json.loads(answer["Payload"].read() or b"null")


def items():
    found, page = [], {}
    while page is not None:
        page = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if "LastEvaluatedKey" in page else {}
        page = aws("dynamodb").scan(TableName=TABLE["name"], ConsistentRead=True, **page)
        found += page["Items"]
        if "LastEvaluatedKey" not in page:
            # But for the marks of hours that changed, which are set whenever the stream is read.
            return [item for item in found if item["pk"]["S"] != "dirty"]


TABLE = {}


def item(pk, sk):
    return aws("dynamodb").get_item(
        TableName=TABLE["name"], Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
    ).get("Item")


def objects(prefix):
    listed = aws("s3").list_objects_v2(Bucket=TABLE["bucket"], Prefix=prefix)
    return {entry["Key"]: entry["Size"] for entry in listed.get("Contents", [])}


def sample(function):
    event = json.loads(Path(f"events/{function}.json").read_text())
    body = event["body"]
    return base64.b64decode(body).decode() if event.get("isBase64Encoded") else body


def known_stores():
    TABLE["name"], TABLE["bucket"] = outputs()["TableName"], outputs()["BucketName"]


def announced_token(output):
    """What `callvault token` shows: the token, and its SHA-256."""
    token, digest = re.findall(r"\b[0-9a-f]{64}\b", output)
    return token, digest
