"""The OpenAPI document before a validator, and a typed Python client that is generated from it.

    .venv-clients/bin/python tests/clients/typed_client.py FORETOLD

For two models: openapi-spec-validator finds nothing wrong; openapi-python-client generates a client
without a warning, whose answers have the right types: predictions, arrays of them, and problems.
"""
import asyncio
import importlib
import os
import re
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from openapi_spec_validator import OpenAPIV31SpecValidator

from served import MODELS, Foretold, check, rows

GENERATED = ["credit", "credit-full"]
ROWS = 20


def main() -> None:
    [command] = sys.argv[1:]
    for name in GENERATED:
        with ExitStack() as stack:
            server = Foretold(stack, command, MODELS[name])
            document = server.get("/openapi.json")
            validate(document)
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            package = generate(server, Path(folder), name)
            use(server, document, package)
        print(f"{name}: the generated Python client gets typed predictions and problems")


def validate(document: dict) -> None:
    found = OpenAPIV31SpecValidator(document).iter_errors()
    errors = [f"{'/'.join(map(str, error.path))}: {error.message}" for error in found]
    check(not errors, f"the document is not valid OpenAPI 3.1: {errors}")


def generate(server: Foretold, folder: Path, name: str):
    """The package of the generated client."""
    package = "client_" + name.replace("-", "_")  # of another name for each model: both are imported
    commands = Path(sys.executable).parent
    run = subprocess.run(
        [commands / "openapi-python-client", "generate", "--url", f"{server.url}/openapi.json",
         "--meta", "none", "--output-path", folder / package, "--fail-on-warning"],
        env={**os.environ, "PATH": f"{commands}:{os.environ['PATH']}"},  # it calls ruff
        capture_output=True, text=True,
    )
    check(run.returncode == 0, f"openapi-python-client fails: {run.stdout}{run.stderr}")
    sys.path.insert(0, str(folder))
    return importlib.import_module(package)


def use(server: Foretold, document: dict, package) -> None:
    models = importlib.import_module(f"{package.__name__}.models")
    client = package.Client(base_url=server.url)
    batch = rows(server.manifest, ROWS, seed=1)
    expected = server.answers(batch)
    for path, field in server.endpoints.items():
        operation = operation_of(package, document, path)
        typed = [models.Row.from_dict(row) for row in batch]
        answer = operation.sync(client=client, body=typed[0])
        value = getattr(answer, field)
        check(plain(value) == expected[field][0], f"{path} answers {answer}, not {expected[field][0]!r}")
        answers = operation.sync(client=client, body=typed)
        found = [plain(getattr(answer, field)) for answer in answers]
        check(found == expected[field], f"{path} answers {found}, not {expected[field]}")
        problem(models, operation, client, batch)
    operation = operation_of(package, document, "/predictions")
    answer = operation.sync(client=client, body=typed[0])
    found = {field: plain(getattr(answer, field)) for field in expected}
    check(found == {field: values[0] for field, values in expected.items()}, f"/predictions answers {answer}")
    asynchronous = asyncio.run(operation.asyncio(client=client, body=typed[0]))
    check(asynchronous == answer, f"/predictions answers {answer}, and {asynchronous} to an asynchronous call")


def problem(models, operation, client, batch: list[dict]) -> None:
    """A wrong value gets a problem with its own type, in an answer of its own or in the place of a row."""
    wrong = models.Row.from_dict({**batch[0], "age_in_years": 17})
    response = operation.sync_detailed(client=client, body=wrong)
    check(response.status_code == 422, f"a wrong value is answered with {response.status_code}")
    for found in (response.parsed, operation.sync(client=client, body=[models.Row.from_dict(batch[0]), wrong])[1]):
        check(isinstance(found, models.Problem), f"a wrong value gets {found}, which is no Problem")
        check(found.status == 422 and found.type_.endswith("invalid-request"), f"the problem is {found}")
        [error] = found.errors
        check(error.field == "age_in_years" and error.value == "17", f"the error is {error}")


def operation_of(package, document: dict, path: str):
    """The module of the generated function: its tag and its operationId, in snake case."""
    operation = document["paths"][path]["post"]
    tag, name = snake(operation["tags"][0]), snake(operation["operationId"])
    return importlib.import_module(f"{package.__name__}.api.{tag}.{name}")


def snake(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


def plain(value):
    """A label of an enumeration as text."""
    return value.value if hasattr(value, "value") else value


if __name__ == "__main__":
    main()
