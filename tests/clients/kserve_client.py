"""KServe's own client, as it is installed, against Foretold.

    .venv-clients/bin/python tests/clients/kserve_client.py FORETOLD

For three models: state, and inference with tensors made of numpy arrays and of the columns of a pandas
DataFrame, as bytes and as JSON. Every answer must be that of the model's other endpoints.
"""
import asyncio
import sys
from contextlib import ExitStack

import httpx
import numpy as np
import pandas as pd
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from kserve.utils.numpy_codec import from_np_dtype

from served import MODELS, Foretold, check, rows

ROWS = 60


def main() -> None:
    [command] = sys.argv[1:]
    for name, folder in MODELS.items():
        with ExitStack() as stack:
            asyncio.run(run(Foretold(stack, command, folder)))
        print(f"{name}: kserve's client gets what the other endpoints answer")


async def run(server: Foretold) -> None:
    async with InferenceRESTClient(RESTConfig(protocol="v2")) as client:
        await states(server, client)
        for count in (1, ROWS):
            await inference(server, client, rows(server.manifest, count, seed=1))
        await mistakes(server, client, rows(server.manifest, ROWS, seed=2))


async def states(server: Foretold, client: InferenceRESTClient) -> None:
    # The client returns members of the JSON, so `is True`: None would say that a member is missing.
    check(await client.is_server_live(server.url) is True, "the server is not live")
    check(await client.is_server_ready(server.url) is True, "the server is not ready")
    check(await client.is_model_ready(server.url, server.name) is True, f"the model {server.name} is not ready")
    check(await client.is_model_ready(server.url, "nobody") is False, "a model that is not there is ready")


async def inference(server: Foretold, client: InferenceRESTClient, batch: list[dict]) -> None:
    expected = server.answers(batch)
    for is_binary in (True, False):
        for made in (of_numpy(server, batch, is_binary), of_pandas(server, batch, is_binary)):
            for options in ({}, {"parameters": {"binary_data_output": True}}):
                request = InferRequest(server.name, made(), request_id="one", **options)
                response_headers = {}
                response = await client.infer(server.url, request, server.name, response_headers=response_headers)
                same(response, expected, batch)
                check(response.id == "one", f"the request's id is 'one', the answer's {response.id!r}")
                check(response.model_name == server.name, f"the answer names the model {response.model_name!r}")
                found = "inference-header-content-length" in response_headers
                check(found == bool(options), f"with {options} the answer has bytes behind the JSON: {found}")
            for wanted in (True, False):
                outputs = [RequestedOutput(name, {"binary_data": wanted}) for name in list(expected)[::-1]]
                request = InferRequest(server.name, made(), request_outputs=outputs)
                response = await client.infer(server.url, request, server.name)
                same(response, expected, batch)
                # The client makes an id where there is none.
                check(bool(response.id), "the id that the client made is not in the answer")
    # As its notebooks have it: a plain dict, with parameters that are for other servers.
    inputs = [made.to_dict() for made in of_pandas(server, batch, False)()]
    request = {"parameters": {"content_type": "pd"}, "inputs": inputs}
    same(await client.infer(server.url, request, server.name), expected, batch)


async def mistakes(server: Foretold, client: InferenceRESTClient, batch: list[dict]) -> None:
    [feature, *_] = [feature for feature in server.manifest["feature"] if feature["type"] == "category"]
    bad = [*batch[:3], {**batch[3], feature["name"]: "no such category"}, *batch[4:]]
    for is_binary in (True, False):
        inputs = of_pandas(server, bad, is_binary)()
        error = await refused(client, server, InferRequest(server.name, inputs), server.name, 422)
        for text in (feature["name"], "no such category", "row 3"):
            check(text in error, f"the message does not name {text}: {error}")
    inputs = of_pandas(server, batch, True)()
    error = await refused(client, server, InferRequest("nobody", inputs), "nobody", 404)
    check("nobody" in error, f"the message does not name the wrong model: {error}")


async def refused(client, server: Foretold, request: InferRequest, name: str, status: int) -> str:
    """The message. The client's exception has the response; its own text has no message of problem documents."""
    try:
        await client.infer(server.url, request, name)
    except httpx.HTTPStatusError as error:
        check(error.response.status_code == status, f"expected status {status}, got {error}")
        return error.response.json()["error"]
    sys.exit(f"a request that should be refused with {status} is answered")


def of_numpy(server: Foretold, batch: list[dict], is_binary: bool):
    """Makes inputs of a column each, as an array of shape [n, 1]."""
    return lambda: [
        tensor(name, numbers_or_texts([row[name] for row in batch]).reshape(-1, 1), is_binary)
        for name in present(server, batch)
    ]


def of_pandas(server: Foretold, batch: list[dict], is_binary: bool):
    """Makes inputs of the columns of a DataFrame, of shape [n]."""
    frame = pd.DataFrame(batch)
    return lambda: [tensor(name, frame[name].to_numpy(), is_binary) for name in present(server, batch)]


def present(server: Foretold, batch: list[dict]) -> list[str]:
    """A column with nothing in it is left out."""
    names = [feature["name"] for feature in server.manifest["feature"]]
    return [name for name in names if any(row[name] is not None for row in batch)]


def numbers_or_texts(values: list) -> np.ndarray:
    if isinstance(values[0], str):
        return np.array(values, dtype=np.object_)
    return np.array([np.nan if value is None else value for value in values])


def tensor(name: str, array: np.ndarray, is_binary: bool) -> InferInput:
    made = InferInput(name, list(array.shape), from_np_dtype(array.dtype))
    made.set_data_from_numpy(array, binary_data=is_binary)
    return made


def same(response, expected: dict[str, list], batch: list[dict]) -> None:
    found = {output.name: output for output in response.outputs}
    check(set(found) == set(expected), f"the outputs are {sorted(found)}, not {sorted(expected)}")
    for name, answers in expected.items():
        array = found[name].as_numpy()
        check(array.shape == (len(batch), 1), f"the shape of {name} is {array.shape}, not {(len(batch), 1)}")
        for row, value, answer in zip(batch, array[:, 0], answers):
            equal = value == answer if isinstance(answer, str) else np.float32(value) == np.float32(answer)
            check(equal, f"infer answers {name} of {row} with {value!r}, and the endpoint with {answer!r}")


if __name__ == "__main__":
    main()
