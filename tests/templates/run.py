"""Checks what is there to be copied: the template for `spin new`, and the files for Compose, Kubernetes and Grafana.

    python tests/templates/run.py FORETOLD

An application made of the template is baked by its own build command and served by `foretold serve spin.toml`. The
files for Compose and Kubernetes are valid by their schemas, and say the same: a host and a Redis are started with just
their arguments, at other addresses. What they answer to probes is asked for, and the dashboard names only metrics that
this host has.
"""
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import compose_spec
import kubernetes_validate
import promql_parser
import yaml
from liquid import Environment, StrictUndefined

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests" / "clients"), str(ROOT / "tests" / "fleet")]
from fleet import Server, free_port  # noqa: E402
from served import MODELS, Foretold, check  # noqa: E402

MODEL = MODELS["credit"]
TEMPLATE = ROOT / "templates" / "foretold"
SAMPLE = json.loads((MODEL / "sample.json").read_text("utf-8"))


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    foretold = str(Path(sys.argv[1]).resolve(strict=True))
    with ExitStack() as stack:
        spin(stack, foretold)
    pod, probes, redis = kubernetes()
    check((pod, redis) == compose(), "the files for Compose and Kubernetes start other commands")
    with ExitStack() as stack:
        host, metrics = served(stack, foretold, pod, redis)
        for path in probes:
            host.get(path)
        with urllib.request.urlopen(metrics) as answer:
            dashboard(answer.read().decode())
    print("templates: all passed")


def spin(stack: ExitStack, foretold: str) -> None:
    """An application as `spin new -t foretold credit-app --value model=…` makes it."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    (folder / "credit").symlink_to(MODEL)
    application = render(folder / "Credit App", {"model": "../credit"})
    manifest = tomllib.loads((application / "spin.toml").read_text("utf-8"))
    ours = tomllib.loads((ROOT / "spin.toml").read_text("utf-8"))
    check(manifest["variables"] == ours["variables"], "the template has other variables than spin.toml")
    [(name, component)] = manifest["component"].items()
    check(component["variables"] == ours["component"]["credit"]["variables"], "the template hands over other variables")
    check(name == manifest["trigger"]["http"][0]["component"] == manifest["application"]["name"] == "credit-app", name)
    # `spin build` leaves it to a shell, in the application's folder.
    path = {**os.environ, "PATH": f"{Path(foretold).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(component["build"]["command"], shell=True, cwd=application, env=path, check=True)
    [watched] = component["build"]["watch"]
    check({path.name for path in application.glob(watched)} >= {"manifest.toml", "model.onnx"}, watched)
    ignored = (application / ".gitignore").read_text("utf-8").split()
    check(component["source"] in ignored, f"git does not ignore {component['source']}")

    asked_twice(Foretold(stack, foretold, MODEL, source=application / "spin.toml"))


def render(application: Path, values: dict[str, str]) -> Path:
    """Does what `spin new` does: parameters by their defaults and patterns, contents by Liquid."""
    template = tomllib.loads((TEMPLATE / "metadata" / "spin-template.toml").read_text("utf-8"))
    check(template["manifest_version"] == "1" and template["id"] == TEMPLATE.name, "spin-template.toml")
    for name, parameter in template["parameters"].items():
        value = values.setdefault(name, parameter.get("default"))
        check(parameter["type"] == "string" and bool(parameter["prompt"]), name)
        check(value is not None and bool(re.search(parameter["pattern"], value)), f"{name}: {value}")
    unused = set(values)
    values |= {"project-name": application.name, "project-description": "Said of it", "authors": "A. B. <a@b.example>"}
    environment = Environment(undefined=StrictUndefined)
    environment.filters["kebab_case"] = lambda name: "-".join(re.findall(r"[a-z0-9]+", name.lower()))
    for source in (TEMPLATE / "content").rglob("*"):
        text = source.read_text("utf-8")
        unused -= {name for name in values if "{{" + name in text}
        target = application / source.relative_to(TEMPLATE / "content")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(environment.from_string(text).render(**values), "utf-8")
    check(not unused, f"parameters that nothing depends on: {unused}")
    return application


def compose() -> tuple[list[str], list[str]]:
    """The arguments of the host and the command of Redis."""
    text = (ROOT / "deploy" / "compose.yaml").read_text("utf-8")
    compose_spec.PyCompose.from_yaml(text).validate()
    services = yaml.safe_load(text)["services"]
    check(services["redis"]["healthcheck"]["test"] == ["CMD", "redis-cli", "ping"], "Redis is asked another way")
    build = services["foretold"]["build"]
    check((ROOT / "deploy" / build["context"] / build["dockerfile"]).exists(), "there is no such Containerfile")
    return services["foretold"]["command"], services["redis"]["command"]


def kubernetes() -> tuple[list[str], list[str], list[str]]:
    """The arguments of the host, the paths of its probes, and the command of Redis."""
    objects = list(yaml.safe_load_all((ROOT / "deploy" / "kubernetes.yaml").read_text("utf-8")))
    for each in objects:
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
    pods = {each["metadata"]["name"]: each["spec"]["template"] for each in objects if each["kind"] == "Deployment"}
    for each in objects:
        spec, name = each["spec"], each["metadata"]["name"]
        labels = spec.get("podSelector", spec.get("selector", {}))
        labels = labels.get("matchLabels", labels)
        check(pods[name]["metadata"]["labels"] == labels, f"{each['kind']} {name} selects {labels}")
    hosts, redis = (pod["spec"]["containers"][0] for pod in pods.values())
    probes = [hosts[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")]
    # The service's name there is the container's in Compose.
    arguments = [argument.replace("foretold-redis", "redis") for argument in hosts["args"]]
    return arguments, probes, redis["args"]


def served(stack: ExitStack, foretold: str, arguments: list[str], redis: list[str]) -> tuple[Foretold, str]:
    """A host with these arguments over such a Redis, which has answered twice, and where its metrics are."""
    ports = {"redis:6379": free_port(), "0.0.0.0:9090": free_port()}
    Server(stack, ports["redis:6379"], *redis, "--port", str(ports["redis:6379"])).start()
    for name, port in ports.items():
        check(any(name in argument for argument in arguments), f"{name} is not in {shlex.join(arguments)}")
        arguments = [argument.replace(name, f"127.0.0.1:{port}") for argument in arguments]
    host = Foretold(stack, foretold, MODEL, *arguments)
    asked_twice(host)
    return host, f"http://127.0.0.1:{ports['0.0.0.0:9090']}/metrics"


def asked_twice(host: Foretold) -> None:
    for expected in ("fwd=miss", "hit"):
        answers, status = host.ask("/decisions", [SAMPLE])
        check(answers == ["ACCEPT"] and expected in status, f"{answers} {status}")


def dashboard(metrics: str) -> None:
    """Every expression is PromQL over series that the host has, with the labels that it names."""
    found: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(\w+)\{(.*)\} \S+$", metrics, re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    panels = json.loads((ROOT / "deploy" / "grafana.json").read_text("utf-8"))["panels"]
    check(len({panel["id"] for panel in panels}) == len(panels), "two panels have one id")
    names = set()
    for panel in panels:
        for target in panel["targets"]:
            # Grafana puts a time in its place.
            series = names_in(promql_parser.parse(target["expr"].replace("$__rate_interval", "5m")))
            check(series <= set(found), f"{panel['title']}: the host has no {series - set(found)}")
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            labels = set.intersection(*(found[name] for name in series))
            check(legend <= labels, f"{panel['title']}: {legend - labels} are no labels of it")
            names |= series
    print(f"the dashboard: {len(panels)} panels of {len(names)} series")


def names_in(expression: promql_parser.Expr) -> set[str]:
    nodes: list[promql_parser.Expr] = []
    promql_parser.walk(expression, nodes.append)
    return {node.name for node in nodes if isinstance(node, promql_parser.VectorSelector)}


if __name__ == "__main__":
    main()
