"""MLServer's codecs, and its command `mlserver infer`, against Foretold.

    .venv-mlserver/bin/python tests/clients/mlserver_client.py FORETOLD

For three models: requests and responses as MLServer's types and codecs make and read them, with pandas
and with lists; and files of requests that `mlserver infer` sends, one by one and merged into batches.
Every answer must be that of the model's other endpoints.
"""
import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
from mlserver.codecs import NumpyCodec, PandasCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, MetadataModelResponse, MetadataServerResponse

from served import MODELS, Foretold, check, rows

ROWS = 60
BATCH_SIZES = [1, 7]


def main() -> None:
    [command] = sys.argv[1:]
    for name, folder in MODELS.items():
        with ExitStack() as stack:
            server = Foretold(stack, command, folder)
            batch = rows(server.manifest, ROWS, seed=1)
            expected = server.answers(batch)
            metadata(server)
            codecs(server, batch, expected)
            infer(server, batch, expected)
        print(f"{name}: mlserver's codecs and command get what the other endpoints answer")


def metadata(server: Foretold) -> None:
    """MLServer's types must take what the server says of itself."""
    MetadataServerResponse.model_validate(server.get("/v2"))
    model = MetadataModelResponse.model_validate(server.get(f"/v2/models/{server.name}"))
    check(model.name == server.name, f"the model's name is {model.name!r}")


def codecs(server: Foretold, batch: list[dict], expected: dict[str, list]) -> None:
    frame = pd.DataFrame(batch)
    for request in (PandasCodec.encode_request(frame), InferenceRequest(inputs=inputs(server, batch))):
        body = request.model_dump_json().encode()
        headers = {"content-type": "application/json"}
        response, content = server.request("POST", f"/v2/models/{server.name}/infer", body, headers)
        check(response.status == 200, f"a request of a codec is answered with {response.status}: {content.decode()}")
        answer = InferenceResponse.model_validate_json(content)
        decoded = PandasCodec.decode_response(answer)
        for name, answers in expected.items():
            same(name, decoded[name].tolist(), answers)


def inputs(server: Foretold, batch: list[dict]) -> list:
    """An input per feature, of lists of texts and of numpy arrays."""
    made = []
    for feature in server.manifest["feature"]:
        name, values = feature["name"], [row[feature["name"]] for row in batch]
        if feature["type"] == "category":
            made.append(StringCodec.encode_input(name, values, use_bytes=False))
        else:
            values = [np.nan if value is None else value for value in values]
            made.append(NumpyCodec.encode_input(name, np.array(values).reshape(-1, 1)))
    return made


def infer(server: Foretold, batch: list[dict], expected: dict[str, list]) -> None:
    """`mlserver infer` reads a request a line, and sends some of them as one."""
    # It makes numpy arrays of them, which know nothing missing: only rows that are whole.
    whole = [i for i, row in enumerate(batch) if None not in row.values()]
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "requests.jsonl"), Path(folder, "answers.jsonl")
        requests = [InferenceRequest(id=str(i), inputs=inputs(server, [batch[i]])) for i in whole]
        source.write_text("".join(request.model_dump_json() + "\n" for request in requests), "utf-8")
        for size in BATCH_SIZES:
            for binary in ([], ["--binary-data"]):
                run = subprocess.run(
                    [Path(sys.executable).with_name("mlserver"), "infer", "--url", server.address,
                     "--model-name", server.name, "--input-data-path", source, "--output-data-path", target,
                     "--batch-size", str(size), *binary],
                    capture_output=True, text=True,
                )
                check(run.returncode == 0, f"mlserver infer fails: {run.stdout}{run.stderr}")
                answers = {}
                for line in target.read_text("utf-8").splitlines():
                    answer = json.loads(line)
                    check("error" not in answer, f"mlserver infer --batch-size {size} {binary} writes {line}")
                    answers[answer["id"]] = InferenceResponse.model_validate(answer)
                check(len(answers) == len(whole), f"mlserver infer answers {len(answers)} of {len(whole)} requests")
                for i in whole:
                    for output in answers[str(i)].outputs:
                        same(output.name, output.data.root, expected[output.name][i : i + 1])


def same(name: str, found: list, answers: list) -> None:
    check(len(found) == len(answers), f"there are {len(found)} values of {name}, not {len(answers)}")
    for value, answer in zip(found, answers):
        equal = value == answer if isinstance(answer, str) else np.float32(value) == np.float32(answer)
        check(equal, f"infer answers {name} with {value!r}, and the endpoint with {answer!r}")


if __name__ == "__main__":
    main()
