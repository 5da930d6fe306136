"""The stack's life: made, changed, rolled back, removed, taken over; by the documentation's commands."""

import hashlib
import json
import re
import shutil
import subprocess

import works
from stage import (
    BUILD, DEPLOYING, FUNCTIONS, PROJECT, PUSHES, RECORDINGS, STACK, TABLE, WORK, Page, announced_token, aws, item, items, known_stores,
    objects, outputs, parameters, physical, project, push, read_template, sample, seen, tell,
)

OPERATING = Page("docs/operating.md")
DEPLOY = "sam build\nsam deploy\n"
SMOKE = "cargo run -- smoke"
# The template takes no bare address.
SIMULATOR = "http://simulator.example.com:4000"


def mint():
    token, digest = announced_token(tell("cargo run -- token"))
    assert hashlib.sha256(token.encode()).hexdigest() == digest
    return token, digest


def first():
    """A token is minted, the stack made, and tried."""
    steps = "Step by step"
    tell(DEPLOYING.block(steps, "export AWS_REGION"))
    minting = DEPLOYING.block(steps, "cargo run -- token")
    token, digest = mint()
    tell(minting.replace("THE SHA-256 THAT WAS SHOWN", digest))
    deployed = tell(DEPLOYING.block(steps, "sam build\n"))
    assert "authentication" not in deployed, deployed[-3000:]
    # Beside what the documentation tells: the simulator's recordings, on this machine.
    parameters(RecordingHosts=f"*.aliyuncs.com,{RECORDINGS}")
    tell("sam deploy")
    known_stores()
    # What nobody can take back is off unless somebody asks for it.
    lasting = {name: value for name, value in settings().items() if "Lock" in name}
    assert lasting == {"ObjectLock": "false", "RecordingLockDays": "0", "RecordingLockMode": "GOVERNANCE"}, lasting
    tell(f"export TOKEN={token}")
    before = len(items())
    tell(DEPLOYING.block(steps, SMOKE))
    assert len(items()) == before, "smoke leaves nothing"
    assert not objects("large/"), "smoke leaves nothing"
    tell(f"TOKEN=wrong\n{DEPLOYING.block(steps, SMOKE).splitlines()[-1]}", fails=True)
    return token


def alarms_and_keys(token):
    steps = "Step by step"
    tell(DEPLOYING.block(steps, "sns create-topic"))
    alarm = aws("cloudwatch").describe_alarms(AlarmNamePrefix=STACK)["MetricAlarms"][0]
    assert alarm["AlarmActions"], "no alarm tells anybody"
    tell(DEPLOYING.block(steps, "secretsmanager").replace("…", "local"))
    parameters(AlibabaEndpoint=SIMULATOR, LaafficEndpoint=SIMULATOR, ConversationDelaySeconds="0")
    tell(DEPLOYING.block(steps, "sam build\n"))
    for name in ("FetchConversations", "ArchiveRecordings"):
        variables = aws("lambda").get_function_configuration(FunctionName=physical(name))["Environment"]["Variables"]
        assert variables["PROVIDER_SECRET_ARN"].startswith("arn:aws:secretsmanager:"), name
    assert push("alicom-call-report", "[]", token)[0] == 200


PERMISSIONS = ("calls.read", "calls.pii", "recordings.listen", "calls.review", "operations.read")


def readers(token):
    """The readers' API, who may use it, and that nobody else may."""
    heading = "Readers"
    assert "ReadersUrl" not in outputs(), "there is none until it is said"
    tell(DEPLOYING.block(heading, 'Readers: "true"'))
    tell(DEPLOYING.block(heading, "admin-create-user"))
    pool = outputs()["UserPoolId"]
    groups = aws("cognito-idp").admin_list_groups_for_user(UserPoolId=pool, Username="ada@example.com")["Groups"]
    assert [group["GroupName"] for group in groups] == ["reviewers"], groups
    told = aws("cognito-idp").describe_user_pool(UserPoolId=pool)["UserPool"]
    assert told["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"], "nobody signs up"
    assert "MachineClientId" not in outputs(), "it costs, and nobody asked for it"
    tell(DEPLOYING.block(heading, "echo 'MachineScopes"))
    answer = tell(DEPLOYING.block(heading, "describe-user-pool-client"))
    assert '"calls":[' in answer, answer
    tell(DEPLOYING.block(heading, "callee_id_key"))
    # All of them, for what follows.
    parameters(MachineScopes=",".join(f"callvault/{permission}" for permission in PERMISSIONS))
    tell("sam deploy")
    works.reads(token)


def settings():
    stack = aws("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]
    return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack["Parameters"]}


def rotate(old):
    """As docs/operating.md tells: both, then the new one alone; no later deployment brings the old one back."""
    told = [line for line in open("docs/operating.md") if "PushTokenSha256" in line]
    assert any('"<old>,<new>"' in line for line in told) and any('"<new>"' in line for line in told), told
    new, digest = mint()
    works_with = lambda token: push("alicom-call-report", "[]", token)[0]
    parameters(PushTokenSha256=f"{hashlib.sha256(old.encode()).hexdigest()},{digest}")
    tell("sam deploy")
    assert (works_with(old), works_with(new)) == (200, 200)
    parameters(PushTokenSha256=digest)
    tell("sam deploy")
    assert (works_with(old), works_with(new)) == (401, 200)
    kept = settings()
    tell(f"export TOKEN={new}")
    tell(DEPLOYING.block("Upgrading", "git pull"))
    assert settings() == kept, "an upgrade changes no parameter"
    assert (works_with(old), works_with(new)) == (401, 200), "a token that was taken away stays so"
    assert kept["ProviderSecretArn"] and kept["AlarmTopicArn"], "what was told before is kept"
    return new


def domain(token):
    told = DEPLOYING.block("A name of your own", "DomainName")
    assert "CertificateArn" in told
    name = re.search(r"DomainName: (\S+)", told)[1]
    certificate = aws("acm").request_certificate(DomainName=name, ValidationMethod="DNS")["CertificateArn"]
    plain = outputs()["ApiUrl"]
    parameters(DomainName=name, CertificateArn=certificate)
    tell("sam deploy")
    assert outputs()["ApiUrl"] == f"https://{name}"
    (configuration,) = aws("apigatewayv2").get_domain_name(DomainName=name)["DomainNameConfigurations"]
    assert outputs()["DomainTarget"] == configuration["ApiGatewayDomainName"], "where the name has to lead"
    for function, logical in PUSHES.items():
        assert outputs()[f"{logical}Url"] == f"https://{name}/push/{function}/{{token}}"
        assert push(function, sample(function), token)[0] == 200, f"{function} by {name}"
        assert push(function, sample(function), token, base=plain)[0] == 200, f"{function} by its made-up name"


def sources(token):
    """Who is in none of the networks that may push is refused everywhere, with the right token, too."""
    told = next(line for line in open("docs/operating.md") if "AllowedSourceCidrs" in line)
    assert "403" in told, told
    for networks, status in (("203.0.113.0/24", 403), ("203.0.113.0/24,127.0.0.0/8", 200)):
        parameters(AllowedSourceCidrs=networks)
        tell("sam deploy")
        for function in PUSHES:
            found = push(function, "[]", token)[0]
            assert found == status, f"{function}: {found} from here, where {networks} may push"
    parameters(AllowedSourceCidrs=None)
    tell("sam deploy")


def older(folder):
    """The template before this one, with the functions of this build in place of its own, and the parameters that it knows."""
    text = (WORK / "before.yaml").read_text()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(BUILD, folder, copy_function=lambda a, b: __import__("os").link(a, b))
    (folder / "template.yaml").unlink()
    machine = read_template(BUILD / "template.yaml")["Globals"]["Function"]["Architectures"][0]
    text = re.sub(r"CodeUri: functions/([a-z-]+)", lambda found: "CodeUri: " + "".join(word.capitalize() for word in found[1].split("-")), text)
    text = text.replace("Architectures: [arm64]", f"Architectures: [{machine}]").replace("Default: arm64", f"Default: {machine}")
    (folder / "template.yaml").write_text(text)
    return folder


def deployed_from(folder):
    """Fails unless the stack is of that template: the parameters that it knows are those."""
    assert set(settings()) == set(read_template(folder / "template.yaml")["Parameters"]), f"not what is in {folder}"


def snapshot():
    return sorted(json.dumps(found, sort_keys=True, default=repr) for found in items()), objects("")


def upgrade(token):
    """Rolled back to the template before, upgraded again, with data in the stores that stays what it is."""
    if not (WORK / "before.yaml").exists():
        seen("no earlier template")
        return
    stores = (physical("Table"), physical("Bucket"))
    before = snapshot()
    assert before[0] and before[1], "something is stored"
    rolled_back = WORK / "rolled-back"
    project(older(rolled_back))
    tell(DEPLOYING.block("Rolling back", "git checkout").replace("PREVIOUS", "HEAD~1").replace("$API_URL", "$(output AlicomCallReportUrl | sed s,/push/.*,,)"))
    deployed_from(rolled_back)
    assert (physical("Table"), physical("Bucket")) == stores, "the stores are those of before"
    assert snapshot() == before, "rolling back changes nothing that is stored"
    pk = works.announce(token, "rolled-back")
    project(BUILD)
    tell(DEPLOYING.block("Upgrading", "git pull"))
    deployed_from(BUILD)
    assert (physical("Table"), physical("Bucket")) == stores, "the stores are those of before"
    for function in PUSHES:
        assert push(function, sample(function), token)[0] == 200, function
    failed, answer = works.invoke("ArchiveRecordings")
    assert not failed and works.recording(pk)["state"]["S"] == "archived", "what came meanwhile is archived"
    assert set(before[1]) <= set(objects("")), "no object is gone"


def remove_analytics_buckets():
    """Each stack that there was has left one."""
    names = [bucket["Name"] for bucket in aws("s3").list_buckets()["Buckets"] if "analytics" in bucket["Name"]]
    assert names, "they outlive the stack"
    for name in names:
        tell(DEPLOYING.block("Removing", "ANALYTICS_BUCKET_NAME").replace("$ANALYTICS_BUCKET_NAME", name))


def take_over(token):
    before = snapshot()
    known_stores()
    tell(DEPLOYING.block("Removing", "sam delete"))
    left = [summary["StackName"] for summary in aws("cloudformation").list_stacks()["StackSummaries"] if summary["StackStatus"] != "DELETE_COMPLETE"]
    assert STACK not in left, left
    assert snapshot() == before, "table and bucket outlive the stack with all that they hold"
    remove_analytics_buckets()
    tell(DEPLOYING.block("Taking over table and bucket", "IMPORT"))
    assert (physical("Table"), physical("Bucket")) == (TABLE["name"], TABLE["bucket"])
    assert snapshot() == before, "taking over changes nothing that is stored"
    for function in PUSHES:
        assert push(function, sample(function), token)[0] == 200, function
    tell(DEPLOYING.block("Step by step", SMOKE))
    # And for good: the commands that delete both.
    known_stores()
    tell(DEPLOYING.block("Removing", "sam delete"))
    remove_analytics_buckets()
    for version in aws("s3").list_object_versions(Bucket=TABLE["bucket"]).get("Versions", []):
        aws("s3").delete_object(Bucket=TABLE["bucket"], Key=version["Key"], VersionId=version["VersionId"])
    tell(DEPLOYING.block("Removing", "delete-table"))
    assert not aws("dynamodb").list_tables()["TableNames"]
    buckets = [bucket["Name"] for bucket in aws("s3").list_buckets()["Buckets"]]
    assert TABLE["bucket"] not in buckets, buckets


def failed_first(_):
    """With a resource that can't be made, which waits for all that is stored."""
    broken = WORK / "broken"
    shutil.rmtree(broken, ignore_errors=True)
    shutil.copytree(BUILD, broken, copy_function=lambda a, b: __import__("os").link(a, b))
    text = (BUILD / "template.yaml").read_text()
    (broken / "template.yaml").unlink()
    cannot = "  Cannot:\n    Type: AWS::CloudWatch::Dashboard\n    DependsOn: [Table, Bucket]\n    Properties: { DashboardBody: '' }\n"
    assert "\nOutputs:\n" in text
    (broken / "template.yaml").write_text(text.replace("\nOutputs:\n", "\n" + cannot + "\nOutputs:\n", 1))
    project(broken)
    parameters(DomainName=None, CertificateArn=None, AlarmTopicArn=None, ProviderSecretArn=None)
    tell("sam build\nsam deploy", fails=True)
    status = aws("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]
    assert status == "ROLLBACK_COMPLETE", status
    buckets = [bucket["Name"] for bucket in aws("s3").list_buckets()["Buckets"] if "callvault" in bucket["Name"]]
    assert not buckets, f"the bucket goes, since it is empty: {buckets}"
    (table,) = aws("dynamodb").list_tables()["TableNames"]
    tell(f"export TABLE_NAME={table}")
    tell(DEPLOYING.block("A first deployment that fails", "delete-table"))
    assert not aws("dynamodb").list_tables()["TableNames"]
    project(BUILD)


def guided(_):
    """Whoever uses --guided all the same, and takes the defaults, is asked for nothing but what has none."""
    tell("sam build")
    (PROJECT / "parameters.yaml").unlink()
    config = PROJECT / "samconfig.toml"
    config.write_text("".join(line for line in config.read_text().splitlines(True) if "parameter_overrides" not in line))
    digest = hashlib.sha256(b"guided").hexdigest()
    parameters = list(read_template(BUILD / "template.yaml")["Parameters"].values())
    # What is not echoed is asked for until something is said, whatever its default.
    said = [digest] + ["unused" if parameter.get("NoEcho") else "" for parameter in parameters[1:]]
    answers = ["", "", *said] + [""] * 6 + ["y"]
    done = subprocess.run(
        ["sam", "deploy", "--guided"], cwd=PROJECT, input="\n".join(answers).encode() + b"\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output = done.stdout.decode(errors="replace")
    (WORK / "guided.log").write_text(output)
    assert "authentication" not in output and "authorization" not in output, output[:4000]
    assert done.returncode == 0, output[-3000:]
    assert push("alicom-call-report", "[]", "guided")[0] == 200
