"""Deploys the built template to the emulator and sees that what the documentation tells holds there. Run by .ci/emulated.

Every command that the documentation gives for deploying is taken out of it and run as it stands, in a copy of the project, with `cargo run --`
as `callvault` and `sam build` as what .ci/sam has built by it already.
"""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import permissions
import stacks
import works
from stage import BUILD, DEPLOYING, WORK, project, seen, shims, start, step


def main():
    step("an AWS of our own")
    start()
    shims()
    project(BUILD)

    step("deployed, as the documentation tells")
    token = stacks.first()
    step("what was deployed is what was built")
    works.as_built()
    step("pushes")
    works.pushes(token)
    step("recordings and conversations")
    works.scheduled(token)
    step("alarms and keys, as the documentation tells")
    stacks.alarms_and_keys(token)
    step("permissions, taken away one by one")
    # For whoever works on the other steps.
    if os.environ.get("EMULATED_WITHOUT") == "permissions":
        seen("left out: EMULATED_WITHOUT")
    else:
        permissions.check(token)
    step("a token is rotated, and stays so")
    token = stacks.rotate(token)
    step("a name of its own")
    stacks.domain(token)
    step("upgraded from the template before, and rolled back to it")
    stacks.upgrade(token)
    step("removed, and its stores taken over by a new one")
    stacks.take_over(token)
    step("a first deployment that fails")
    stacks.failed_first()
    step("deployed by questions and answers")
    stacks.guided()

    step("what the emulator lacks, and what stood in for it")
    gaps = [json.loads(line) for line in (WORK / "gaps").read_text().splitlines()]
    for kind, what, instead in sorted({tuple(gap[2:]) for gap in gaps}):
        resources = sorted({gap[1] for gap in gaps if gap[2:] == [kind, what, instead]})
        seen(f"{kind} {what}; instead {instead}: {', '.join(resources)}")
    unused = DEPLOYING.unused(r"\bsam (deploy|delete)|\baws |callvault|cargo run -- (smoke|token)")
    known = ("Trying it with SAM on your machine", "The region", "Processors")
    unused = [(heading, text) for heading, text in unused if heading not in known]
    assert not unused, f"commands in docs/deploying.md that nothing has run: {unused}"
    step("done")


if __name__ == "__main__":
    main()
