"""Holds vCons against the JSON schema of draft-ietf-vcon-vcon-core: the golden ones of the tests, and those in files of NDJSON.

The schema is the draft's own, which the project does not keep a copy of. It is looked for beside the checkout. It says less than the
draft's text, and where the two differ the text holds: `PATCHES` says what is changed and why.

Usage: vcon.py [--schema FILE] [FILE…]
"""

import argparse
import copy
import json
import pathlib
import sys
import uuid

import jsonschema

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCHEMA = ROOT.parent / "shared" / "domain" / "vcon-schema.json"
MEDIA_TYPE = r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$"
# "Hash algorithm identifiers MUST use only lowercase letters": sha512, by the draft's own example, has digits too.
CONTENT_HASH = r"^[a-z0-9]+-[A-Za-z0-9_-]+$"
WITH_CONTENT = ["Dialog", "Analysis", "Attachment"]


def https(schema):
    for name in WITH_CONTENT:
        schema["definitions"][name]["properties"]["url"]["pattern"] = "^https://"


def hashed(schema):
    for name in WITH_CONTENT:
        schema["definitions"][name].setdefault("dependencies", {})["url"] = ["content_hash"]


def hashes(schema):
    for name in WITH_CONTENT:
        token = {"type": "string", "pattern": CONTENT_HASH}
        either = {"oneOf": [token, {"type": "array", "items": token, "minItems": 1}]}
        schema["definitions"][name]["properties"]["content_hash"] = either


def encoded(schema):
    for name in WITH_CONTENT:
        definition = schema["definitions"][name]
        definition.setdefault("dependencies", {})["body"] = ["encoding", "mediatype"]
        definition.setdefault("allOf", []).append(
            {
                "if": {"required": ["encoding"], "properties": {"encoding": {"enum": ["none", "base64url"]}}},
                "then": {"properties": {"body": {"type": "string"}}},
            }
        )


def media_types(schema):
    for name in WITH_CONTENT:
        schema["definitions"][name]["properties"]["mediatype"]["pattern"] = MEDIA_TYPE


def incomplete(schema):
    content = [{"required": [name]} for name in ["body", "encoding", "url", "content_hash"]]
    schema["definitions"]["Dialog"].setdefault("allOf", []).append(
        {
            "if": {"properties": {"type": {"const": "incomplete"}}},
            "then": {"required": ["disposition"], "not": {"anyOf": content}},
            "else": {"not": {"required": ["disposition"]}},
        }
    )


def one_prior(schema):
    schema["not"] = {"required": ["redacted", "amended"]}


def known_parameters(schema):
    for definition in [schema, *(schema["definitions"][name] for name in ["Party", *WITH_CONTENT])]:
        definition["additionalProperties"] = False


PATCHES = [
    ("a file outside is retrieved by HTTPS (url)", https),
    ("objects that refer to a file outside have url and content_hash (Externally Referenced Files)", hashed),
    ("a hash is <algorithm>-<base64url> (JSON Notation, ContentHash)", hashes),
    ("what is inline has body, encoding and mediatype; only with encoding json is it no string (Inline Files)", encoded),
    ("a media type is type/subtype (JSON Notation, Mediatype)", media_types),
    ("incomplete dialogs have a disposition and no content, others have none (disposition, Dialog Content)", incomplete),
    ("redacted and amended exclude each other (redacted)", one_prior),
    ("other parameters than the draft's need an extension, and there is none here (extensions)", known_parameters),
]


def patched(schema):
    schema = copy.deepcopy(schema)
    for _, patch in PATCHES:
        patch(schema)
    return schema


def places(vcon):
    """What the schema can't say: every index is one of its array, and the UUID is of version 8. Yields what is wrong."""
    parties, dialogs = len(vcon.get("parties", [])), len(vcon.get("dialog", []))

    def outside(value, length):
        if isinstance(value, list):
            return any(outside(entry, length) for entry in value)
        return value is not None and value >= length

    for dialog in vcon.get("dialog", []):
        if outside(dialog.get("parties"), parties) or outside(dialog.get("originator"), parties):
            yield "a dialog names a party that there is not"
    for name in ["analysis", "attachments"]:
        for entry in vcon.get(name, []):
            if outside(entry.get("dialog"), dialogs) or outside(entry.get("party"), parties):
                yield f"{name} name a dialog or a party that there is not"
    for known in [vcon, vcon.get("redacted", {})]:
        if "uuid" in known and (uuid.UUID(known["uuid"]).version, uuid.UUID(known["uuid"]).variant) != (8, uuid.RFC_4122):
            yield "a UUID is not of version 8"


def faults(validator, vcon):
    """What is wrong with a vCon, without its texts."""
    errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.validator}" for error in validator.iter_errors(vcon)]
    return errors or list(places(vcon))


def of_snapshot(path):
    """The vCons of a golden output: JSON behind a header of two lines of dashes."""
    _, _, golden = path.read_text(encoding="utf-8").split("---\n", 2)
    return json.loads(golden)


def spoiled(vcon):
    """Ways in which a sound vCon of a call with an archived recording is spoiled, and the spoiled one."""

    def spoil(what, change):
        other = copy.deepcopy(vcon)
        change(other)
        return what, other

    recording = next(at for at, dialog in enumerate(vcon["dialog"]) if "url" in dialog)
    yield spoil("no created_at", lambda v: v.pop("created_at"))
    yield spoil("a time that is none", lambda v: v.update(created_at="yesterday"))
    yield spoil("another syntax", lambda v: v.update(vcon="0.3.0"))
    yield spoil("another version of UUID", lambda v: v.update(uuid="0197293c-b240-705b-8d86-a717678c29dc"))
    yield spoil("no UUID", lambda v: v.update(uuid="1"))
    yield spoil("redacted and amended", lambda v: v.update(redacted={"type": "x"}, amended={}))
    yield spoil("HTTP", lambda v: v["dialog"][recording].update(url="http://calls.example.com/1"))
    yield spoil("a URL without hash", lambda v: v["dialog"][recording].pop("content_hash"))
    yield spoil("a hash in hex", lambda v: v["dialog"][recording].update(content_hash="SHA512:00"))
    yield spoil("a media type that is none", lambda v: v["dialog"][recording].update(mediatype="wav"))
    yield spoil("a disposition of a recording", lambda v: v["dialog"][recording].update(disposition="busy"))
    yield spoil("incomplete with content", lambda v: v["dialog"][recording].update(type="incomplete", disposition="busy"))
    yield spoil("an unknown disposition", lambda v: v["dialog"].append({"type": "incomplete", "start": v["created_at"], "disposition": "rejected"}))
    yield spoil("no disposition", lambda v: v["dialog"].append({"type": "incomplete", "start": v["created_at"]}))
    yield spoil("a party that there is not", lambda v: v["dialog"][recording].update(parties=[0, 3]))
    yield spoil("a dialog that there is not", lambda v: v["analysis"][0].update(dialog=9))
    yield spoil("a body without encoding", lambda v: v["analysis"][0].pop("encoding"))
    yield spoil("an object as text", lambda v: v["analysis"][0].update(encoding="none"))
    yield spoil("no vendor", lambda v: v["analysis"][0].pop("vendor"))
    yield spoil("a parameter that nobody knows", lambda v: v["parties"][0].update(role="agent"))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--schema", type=pathlib.Path, default=SCHEMA)
    arguments.add_argument("files", nargs="*", type=pathlib.Path)
    arguments = arguments.parse_args()
    if not arguments.schema.is_file():
        sys.exit(f"the draft's schema is not at {arguments.schema}: put it there, or name it by --schema")
    # Of all drafts: that of draft 7 knows no UUIDs.
    formats = jsonschema.FormatChecker()
    needed = {"date-time", "uri", "uuid"}
    if missing := needed - set(formats.checkers):
        sys.exit(f"formats that can't be checked: {', '.join(sorted(missing))}; install jsonschema[format-nongpl]")
    schema = patched(json.loads(arguments.schema.read_text(encoding="utf-8")))
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema, format_checker=formats)

    golden = sorted(ROOT.glob("functions/*/test_data/vcon/*.snap"))
    functions = {path.relative_to(ROOT).parts[1] for path in golden}
    with_fixtures = {path.relative_to(ROOT).parts[1] for path in ROOT.glob("functions/*/test_data/*.json")}
    if not golden or functions != with_fixtures:
        sys.exit(f"no golden vCons of {', '.join(sorted(with_fixtures - functions))}")
    vcons = [(path.relative_to(ROOT), vcon) for path in golden for vcon in of_snapshot(path)]
    for path in arguments.files:
        vcons += [(path, json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    wrong = [f"{path}: {fault}" for path, vcon in vcons for fault in faults(validator, vcon)]
    if wrong:
        sys.exit("\n".join(wrong))

    sound = next(vcon for _, vcon in vcons if any("url" in dialog for dialog in vcon["dialog"]))
    passed = [what for what, vcon in spoiled(sound) if not faults(validator, vcon)]
    if passed:
        sys.exit(f"these vCons should be refused: {', '.join(passed)}")
    print(f"{len(vcons)} vCons are as the draft has them, {len(list(spoiled(sound)))} spoiled ones are refused")


main()
