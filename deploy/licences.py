"""Writes what belongs beside a shipped command or component: the licences of all that is linked into
them, and a list of it.

    python3 deploy/licences.py FOLDER [--target TRIPLE]

| file | content |
|---|---|
| `THIRD-PARTY-LICENCES.txt` | every licence text once, under the names of those it came with |
| `foretold.cdx.json` | the command, with the components inside it, as a CycloneDX SBOM |
| `foretold-edge.cdx.json`, `-spin`, `-library` | a component alone |
| `foretold-python.cdx.json` | the native module of the Python package, with the components inside it |

What is linked is cargo's own answer (`cargo tree`: normal dependencies, no procedural macros, with the
features that are built); the texts are those in the crates' sources, as cargo has them. The same
Cargo.lock and toolchain give the same bytes: there is no time and no random number in the files.

A script, since what there is for it (cargo-about, cargo-cyclonedx) sees one target at a time, and the
command holds components of another; and each takes minutes to install.
"""
import argparse
import html
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMPONENTS = ("edge", "spin", "library")
WASM = "wasm32-wasip2"
TEXT = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|UNLICEN[CS]E|AUTHORS)", re.IGNORECASE)
SOURCES = (".rs", ".toml", ".py", ".js")
# What is in the files of component/core/pages/vendored, with their licences beside them.
PAGES = json.loads((ROOT / "component/core/pages/package.json").read_text())["devDependencies"]
PAGES_TEXT = ROOT / "component/core/pages/vendored/licences.txt"


def run(*command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def tree(package, target):
    """The crates that are linked into a package for a target, as `(name, version)`, each with those
    that it needs; the package itself is first."""
    lines = run(
        "cargo", "tree", "--locked", "--package", package, "--target", target, "--edges",
        "normal,no-proc-macro", "--prefix", "depth", "--format", "|{p}").splitlines()
    needs, path = {}, []
    for line in lines:
        depth, name, version = re.match(r"(\d+)\|(\S+) v(\S+)", line).groups()
        del path[int(depth):]
        crate = (name, version)
        needs.setdefault(crate, set())
        if path:
            needs[path[-1]].add(crate)
        path.append(crate)
    return needs


def merge(*trees):
    merged = {}
    for needs in trees:
        for crate, needed in needs.items():
            merged.setdefault(crate, set()).update(needed)
    return merged


def read_text(path):
    return "\n".join(line.rstrip() for line in path.read_text(errors="replace").splitlines()).strip()


def texts(package):
    """The licence texts in a crate's sources."""
    folder = Path(package["manifest_path"]).parent
    files = {path for path in folder.iterdir() if path.is_file() and TEXT.match(path.name)}
    files |= {path for path in folder.glob("LICENSES/*") if path.is_file()}
    if package["license_file"]:
        files.add(folder / package["license_file"])
    return [read_text(path) for path in sorted(files) if path.suffix not in SOURCES]


def rust():
    """The standard library, which is linked into everything."""
    version = re.search(r"^release: (\S+)", run("rustc", "--version", "--verbose"), re.MULTILINE)[1]
    file = Path(run("rustc", "--print", "sysroot").strip()) / "share/doc/rust/COPYRIGHT-library.html"
    page = re.sub(r"<(head|style)>.*?</\1>", "", file.read_text(), flags=re.DOTALL)
    lines = html.unescape(re.sub(r"<[^>]*>", "", page)).splitlines()
    text = "\n".join(line.rstrip() for line in lines)
    return version, re.sub(r"\n{3,}", "\n\n", text).strip()


def licences(packages, crates, rust_version, rust_text):
    found, without = {}, []

    def add(name, text):
        # Copies differ in their line breaks.
        names, _ = found.setdefault(" ".join(text.split()), (set(), text))
        names.add(name)

    for crate in sorted(crates):
        package = packages[crate]
        # Ours have the licence of the repository.
        of_it = texts(package) if package["source"] else [read_text(ROOT / "LICENSE")]
        name = f"{package['name']} {package['version']} ({package['license'] or 'see its text'})"
        if not of_it:
            authors = ", ".join(package["authors"]) or "its authors"
            place = f": {package['repository']}" if package["repository"] else ""
            without.append(f"{name}, by {authors}{place}")
        for text in of_it:
            add(name, text)
    for name, version in PAGES.items():
        add(f"{name} {version}, in the pages", read_text(PAGES_TEXT))
    add(f"the standard library of Rust {rust_version}", rust_text)
    yield "What is linked into Foretold's command, components and Python package, and under which licences.\n"
    yield "Foretold itself is under the licence Apache-2.0, which is among these texts.\n"
    if without:
        yield "\nThese come without a text. Their licences are named, and are below with others:\n"
        yield from (f"- {line}\n" for line in without)
    rule = "=" * 78
    for names, text in sorted((sorted(names), text) for names, text in found.values()):
        yield f"\n{rule}\n" + "\n".join(names) + f"\n{rule}\n\n{text}\n"


def bill(name, kind, needs, packages, checksums, rust_version):
    """A CycloneDX document."""
    root, *crates = needs
    reference = lambda crate: f"pkg:cargo/{crate[0]}@{crate[1]}"

    def component(crate):
        package = packages[crate]
        found = {"type": "library", "bom-ref": reference(crate), "name": crate[0], "version": crate[1]}
        if package["license"]:
            # Crates from before SPDX expressions have a slash for "or".
            found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
        if package["source"]:
            found["purl"] = reference(crate)
            found["hashes"] = [{"alg": "SHA-256", "content": checksums[crate]}]
        if package["repository"]:
            found["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
        return found

    components = [component(crate) for crate in sorted(crates)]
    components += [
        {"type": "library", "bom-ref": f"pkg:npm/{name}@{version}", "name": name, "version": version,
         "purl": f"pkg:npm/{name}@{version}"}
        for name, version in sorted(PAGES.items())]
    components.append({
        "type": "library", "bom-ref": "rust-std", "name": "rust-std", "version": rust_version,
        "licenses": [{"expression": "MIT OR Apache-2.0"}]})
    main = {**component(root), "type": kind, "name": name}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": main},
        "components": components,
        "dependencies": [
            {"ref": reference(crate), "dependsOn": sorted(reference(it) for it in needed)}
            for crate, needed in sorted(needs.items())],
    }


def main():
    parser = argparse.ArgumentParser(description="licences and SBOM of what is shipped")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", default="x86_64-unknown-linux-gnu", help="of the command")
    options = parser.parse_args()

    metadata = json.loads(run("cargo", "metadata", "--locked", "--format-version", "1"))
    packages = {(it["name"], it["version"]): it for it in metadata["packages"]}
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    checksums = {(it["name"], it["version"]): it.get("checksum") for it in lock["package"]}
    rust_version, rust_text = rust()

    components = {name: tree(f"foretold-{name}", WASM) for name in COMPONENTS}
    def carrier(package):
        """A package that has the components inside it."""
        needs = merge(tree(package, options.target), *components.values())
        needs[next(iter(needs))].update(next(iter(of_it)) for of_it in components.values())
        return needs

    command, module = carrier("foretold"), carrier("foretold-python")
    options.folder.mkdir(parents=True, exist_ok=True)
    text = "".join(licences(packages, merge(command, module), rust_version, rust_text))
    (options.folder / "THIRD-PARTY-LICENCES.txt").write_text(text)
    documents = {"foretold": ("application", command), "foretold-python": ("library", module)}
    documents |= {f"foretold-{name}": ("library", needs) for name, needs in components.items()}
    for name, (kind, needs) in documents.items():
        document = bill(name, kind, needs, packages, checksums, rust_version)
        text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        (options.folder / f"{name}.cdx.json").write_text(text)
        print(f"{options.folder}/{name}.cdx.json: {len(document['components'])} components")


if __name__ == "__main__":
    sys.exit(main())
