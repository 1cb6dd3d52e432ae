# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Print a program description one fact a line: `summarize.py FILE`."""

import json
import sys
from pathlib import Path
from typing import Any


def place(location: dict[str, Any] | None) -> str:
    return f"{location['file']}:{location['line']}" if location else "nowhere"


program = json.loads(Path(sys.argv[1]).read_text())
print("name", program["name"])
for value in program["inputs"]:
    print("input", value["name"], ":", value["type"])
for value in program["outputs"]:
    print("output", value["type"])
for region in program["regions"]:
    types = f"{', '.join(region['inputs'])} -> {', '.join(region['results'])}"
    column = f":{region['location']['column']}" if region["location"] else ""
    cost = f"{region['cost']['flops']} flops, {region['cost']['bytes']} bytes" if region["cost"] else "cost unknown"
    where = f"{place(region['location'])}{column}; {cost}; parameters {', '.join(region['parameters'])}"
    print(f"region {region['function']} of {region['module']}: {types} at {where}")
for node in program["hcfg"]["nodes"]:
    what = node.get("region", node.get("predicate", ""))
    print(*[part for part in ("node", node["id"], node["kind"], what, place(node["location"])) if part != ""])
for edge in program["hcfg"]["edges"]:
    print(f"edge {edge['source']} -{edge['label']}-> {edge['target']}")
