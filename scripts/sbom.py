"""Writes the bill of materials of the program: every crate that is linked into it, in CycloneDX's JSON.

`cargo metadata` says which crates those are (neither those of tests nor those of other systems), Cargo.lock what
their archives must be.
"""

import json
import os
import subprocess
import sys
import tomllib
import uuid
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def run(*command):
    """The output of a command in the repository."""
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def linked(metadata):
    """The nodes that the program is made of, by id: what it needs to run, and what that needs."""
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    found, waiting = {}, [metadata["resolve"]["root"]]
    while waiting:
        id = waiting.pop()
        if id in found:
            continue
        used = [dep["pkg"] for dep in nodes[id]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
        found[id] = sorted(used)
        waiting += used
    return found


def component(package, checksums, kind):
    """One crate."""
    name, version = package["name"], package["version"]
    purl = f"pkg:cargo/{name}@{version}"
    checksum = checksums.get((name, version))
    entry = {
        "type": kind,
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "description": package["description"],
        "hashes": [{"alg": "SHA-256", "content": checksum}] if checksum else None,
        "licenses": [{"expression": package["license"].replace("/", " OR ")}] if package["license"] else None,
        "externalReferences": [{"type": "vcs", "url": package["repository"]}] if package["repository"] else None,
    }
    return {key: value for key, value in entry.items() if value}


def bill(metadata, lock, moment):
    """The whole bill, with the time at which the sources were as they are."""
    packages = {package["id"]: package for package in metadata["packages"]}
    checksums = {(each["name"], each["version"]): each["checksum"] for each in lock["package"] if each.get("source") == REGISTRY}
    graph = linked(metadata)
    root = metadata["resolve"]["root"]
    parts = [component(packages[id], checksums, "library") for id in graph if id != root]
    program = component(packages[root], checksums, "application")
    reference = {id: f"pkg:cargo/{packages[id]['name']}@{packages[id]['version']}" for id in graph}
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": [{"name": "scripts/sbom.py", "version": program["version"]}],
            "component": program,
        },
        "components": sorted(parts, key=lambda part: part["bom-ref"]),
        "dependencies": sorted(
            ({"ref": reference[id], "dependsOn": sorted(reference[each] for each in used)} for id, used in graph.items()),
            key=lambda each: each["ref"],
        ),
    }
    # Of the same content, the same number.
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return {"serialNumber": f"urn:uuid:{serial}", **content}


def main():
    cargo = os.environ.get("CARGO") or "cargo"
    host = next(line.split()[1] for line in run(cargo, "-vV").splitlines() if line.startswith("host: "))
    metadata = json.loads(run(cargo, "metadata", "--locked", "--format-version=1", "--filter-platform", host))
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    moment = int(os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct"))
    file = Path(sys.argv[1])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(bill(metadata, lock, moment), indent=2) + "\n")
    print(file)


if __name__ == "__main__":
    main()
