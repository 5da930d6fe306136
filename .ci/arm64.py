"""Runs two functions' programs as Lambda does, by the Runtime API, against the local stack.

Usage: arm64.py <callvault> <folder with <function>/bootstrap> [emulator of the processor and its options]
"""

import json
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3

CALLVAULT, FOLDER, *EMULATOR = sys.argv[1:]
PATIENCE_S = 120


class Function:
    """A function's process, and the Runtime API that it asks for invocations."""

    def __init__(self, name, settings):
        invocations, self.answers = queue.Queue(), queue.Queue()
        answers = self.answers

        class Api(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                event = invocations.get()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "1")
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + 900) * 1000)))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", f"arn:aws:lambda:us-east-1:0:function:{name}")
                self.send_header("Content-Length", str(len(event)))
                self.end_headers()
                self.wfile.write(event)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                answers.put((self.path.rsplit("/", 1)[-1], body))

            def log_message(self, *_):
                pass

        self.invocations = invocations
        server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_REGION": "us-east-1",
            **settings,
        }
        self.started = time.monotonic()
        self.process = subprocess.Popen([*EMULATOR, f"{FOLDER}/{name}/bootstrap"], env=environment, stdout=sys.stderr)

    def invoke(self, event):
        self.invocations.put(json.dumps(event).encode())
        kind, body = self.answers.get(timeout=PATIENCE_S)
        assert kind == "response", f"{kind}: {body.decode()}"
        return json.loads(body)


def main():
    processes = []
    with tempfile.TemporaryDirectory() as work:
        said = Path(work) / "stack"
        ports = ["--port", "0", "--dynamodb-port", "0", "--s3-port", "0", "--provider-port", "0", "--bus-port", "0", "--issuer-port", "0"]
        stack = subprocess.Popen([CALLVAULT, "serve", *ports, "--memory", "--no-schedule"], stdout=said.open("w"))
        processes.append(stack)
        try:
            deadline = time.monotonic() + 60
            while "Try:" not in said.read_text():
                assert stack.poll() is None and time.monotonic() < deadline, "the local stack does not start"
                time.sleep(0.1)
            endpoint = lambda name: re.search(rf"^\s*{name}\s+(http\S+)", said.read_text(), re.M)[1]
            provider = endpoint("provider")
            settings = {
                "TABLE_NAME": "callvault",
                "BUCKET_NAME": "callvault",
                "DYNAMODB_ENDPOINT": endpoint("DynamoDB"),
                "S3_ENDPOINT": endpoint("S3"),
                "RECORDING_HOSTS": provider.removeprefix("http://"),
                "PUSH_TOKEN_SHA256": json.loads(Path("events/env.json").read_text())["Parameters"]["PUSH_TOKEN_SHA256"],
            }
            push = Function("alicom-call-report", settings)
            processes.append(push.process)
            answer = push.invoke(json.loads(Path("events/alicom-call-report.json").read_text()))
            assert (answer["statusCode"], json.loads(answer["body"])["msg"]) == (200, "stored 1"), answer
            print(f"alicom-call-report: a push stored, {time.monotonic() - push.started:.1f} s after its start")

            record = [{"callId": "arm64", "recordFile": f"{provider}/recordings/arm64.wav?bytes=20000000"}]
            url = f"{endpoint('API')}/push/alicom-call-record/local"
            with urllib.request.urlopen(url, data=json.dumps(record).encode()) as accepted:
                assert accepted.status == 200
            archiver = Function("archive-recordings", settings)
            processes.append(archiver.process)
            answer = archiver.invoke(json.loads(Path("events/archive-recordings.json").read_text()))
            assert (answer["archived"], answer["bytes"]) == (1, 20_000_000), answer
            print(f"archive-recordings: 20 MB archived, {time.monotonic() - archiver.started:.1f} s after its start")

            client = lambda service, url: boto3.client(
                service, endpoint_url=url, region_name="us-east-1", aws_access_key_id="local", aws_secret_access_key="local"
            )
            items = client("dynamodb", settings["DYNAMODB_ENDPOINT"]).scan(TableName="callvault")["Items"]
            assert any("alicom-call-report" in item.get("sources", {}).get("M", {}) for item in items), "the push is not in the table"
            (archived,) = [item for item in items if item.get("state", {}).get("S") == "archived"]
            size = client("s3", settings["S3_ENDPOINT"]).head_object(Bucket="callvault", Key=archived["object_key"]["S"])["ContentLength"]
            assert size == 20_000_000, size
        finally:
            for process in reversed(processes):
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
