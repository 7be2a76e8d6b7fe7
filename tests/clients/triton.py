"""Triton's own client, as it is installed and with its default settings, against Foretold.

    .venv-clients/bin/python tests/clients/triton.py FORETOLD

For three models: state and metadata, inference with tensors of every datatype as bytes and as JSON,
compressed and not, and mistakes. Every answer must be that of the model's other endpoints, and a row
that one way of asking has put into the cache must be a hit for the other.
"""
import sys
from contextlib import ExitStack

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from served import MODELS, Foretold, check, rows

ROWS = 60
NUMPY_TYPE = {"FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_, "BYTES": np.object_}
OF_FEATURE = {"number": "FP64", "integer": "INT64", "boolean": "BOOL", "category": "BYTES"}
# Other numpy types for the columns of a type, where all values fit.
OTHER_TYPES = {
    "number": [np.float32],
    "integer": [np.int32, np.int16, np.int8, np.uint64, np.uint32, np.uint16, np.uint8, np.float32, np.float64],
}
COMPRESSIONS = [None, "gzip", "deflate"]
DIGITS = 6  # that a 32-bit float keeps


def main() -> None:
    [command] = sys.argv[1:]
    for name, folder in MODELS.items():
        with ExitStack() as stack:
            server = Foretold(stack, command, folder)
            client = stack.enter_context(triton.InferenceServerClient(server.address))
            states(server, client)
            version = metadata(server, client)
            batch = rows(server.manifest, ROWS, seed=1)
            inference(server, client, batch, version)
            datatypes(server, client, batch)
            compression(server, client, batch)
            mistakes(server, client, batch)
            shared_cache(server, client)
            statistics(server, client, version)
        print(f"{name}: triton's client gets what the other endpoints answer")


def states(server: Foretold, client) -> None:
    check(client.is_server_live(), "the server is not live")
    check(client.is_server_ready(), "the server is not ready")
    check(client.is_model_ready(server.name), f"the model {server.name} is not ready")
    check(not client.is_model_ready("nobody"), "a model that is not there is ready")


def metadata(server: Foretold, client) -> str:
    """Checks what server and model say of themselves; returns the model's version."""
    found = client.get_server_metadata()
    check(found["name"] == "foretold", f"the server's name is {found['name']!r}")
    check("binary_tensor_data" in found["extensions"], f"the server's extensions are {found['extensions']}")
    found = client.get_model_metadata(server.name)
    [version] = found["versions"]
    check(client.get_model_metadata(server.name, version) == found, f"the metadata of version {version} is another")
    check(client.is_model_ready(server.name, version), f"version {version} is not ready")
    check(not client.is_model_ready(server.name, "0"), "a version that is not there is ready")
    check(found["name"] == server.name, f"the model's name is {found['name']!r}")
    inputs = [(feature["name"], OF_FEATURE[feature["type"]], [-1, 1]) for feature in server.manifest["feature"]]
    check(tensors(found["inputs"]) == inputs, f"the model's inputs are {found['inputs']}, not {inputs}")
    outputs = [(endpoint["field"], datatype(endpoint), [-1, 1]) for endpoint in server.manifest["endpoint"]]
    check(tensors(found["outputs"]) == outputs, f"the model's outputs are {found['outputs']}, not {outputs}")
    return version


def statistics(server: Foretold, client, version: str) -> None:
    """What the server counted: requests that were answered, from the cache and by the model."""
    [found] = client.get_inference_statistics()["model_stats"]
    check(found == client.get_inference_statistics(server.name, version)["model_stats"][0], "statistics differ")
    times = found["inference_stats"]
    counts = {name: times[name]["count"] for name in ["success", "fail", "cache_hit", "cache_miss", "compute_infer"]}
    check(found["name"] == server.name and all(counts.values()), f"the statistics are {found}")
    check(found["inference_count"] >= counts["success"], f"the statistics are {found}")


def tensors(found: list[dict]) -> list[tuple]:
    return [(tensor["name"], tensor["datatype"], tensor["shape"]) for tensor in found]


def datatype(endpoint: dict) -> str:
    return "BYTES" if endpoint.keys() & {"threshold", "bands", "classes"} else "FP32"


def inference(server: Foretold, client, batch: list[dict], version: str) -> None:
    """All ways to ask for outputs, with inputs as bytes and as JSON."""
    expected = server.answers(batch)
    for is_binary in (True, False):
        inputs = columns(server, batch, is_binary=is_binary)
        same(server, client.infer(server.name, inputs), expected, batch)
        same(server, client.infer(server.name, inputs, model_version=version), expected, batch)
        for wanted in ([True] * len(expected), [False] * len(expected), [i % 2 == 0 for i in range(len(expected))]):
            outputs = [triton.InferRequestedOutput(name, binary_data=b) for name, b in zip(expected, wanted)]
            result = client.infer(server.name, inputs, outputs=outputs[::-1])
            same(server, result, expected, batch)
            found = [output["name"] for output in result.get_response()["outputs"]]
            check(found == list(expected)[::-1], f"the outputs come as {found}, not in the order that was asked for")
        for name in expected:
            result = client.infer(server.name, inputs, outputs=[triton.InferRequestedOutput(name)])
            same(server, result, {name: expected[name]}, batch)
    flat = columns(server, batch, shape=[len(batch)])
    same(server, client.infer(server.name, flat[::-1]), expected, batch)
    same(server, client.async_infer(server.name, flat).get_result(), expected, batch)
    for request_id in ("1", "çé \"quoted\" 日本"):
        found = client.infer(server.name, flat, request_id=request_id).get_response().get("id")
        check(found == request_id, f"the request's id is {request_id!r}, the answer's {found!r}")
    found = client.infer(server.name, flat).get_response()
    check(found["model_name"] == server.name, f"the answer names the model {found['model_name']!r}")
    check(found["model_version"] == version, f"the answer names the version {found['model_version']!r}")
    check("id" not in found, f"a request without an id is answered with {found.get('id')!r}")
    single = {name: answers[:1] for name, answers in expected.items()}
    same(server, client.infer(server.name, columns(server, batch[:1])), single, batch[:1])


def datatypes(server: Foretold, client, batch: list[dict]) -> None:
    """Each column in turn in every other numpy type that holds its values."""
    expected = server.answers(batch)
    for feature in server.manifest["feature"]:
        for numpy_type in OTHER_TYPES.get(feature["type"], []):
            kept = [i for i, row in enumerate(batch) if fits(row[feature["name"]], numpy_type)]
            if not kept:
                continue
            some = [batch[i] for i in kept]
            answers = {name: [values[i] for i in kept] for name, values in expected.items()}
            for is_binary in (True, False):
                inputs = columns(server, some, is_binary=is_binary, numpy_types={feature["name"]: numpy_type})
                same(server, client.infer(server.name, inputs), answers, some)


def fits(value, numpy_type: type) -> bool:
    if value is None:
        return False
    if np.issubdtype(numpy_type, np.integer):
        return np.iinfo(numpy_type).min <= value <= np.iinfo(numpy_type).max
    return numpy_type is np.float64 or value == round(float(f"{value:.{DIGITS}g}"), DIGITS)


def compression(server: Foretold, client, batch: list[dict]) -> None:
    expected, inputs = server.answers(batch), columns(server, batch)
    for request in COMPRESSIONS:
        for response in COMPRESSIONS:
            for outputs in (None, [triton.InferRequestedOutput(name, binary_data=False) for name in expected]):
                result = client.infer(
                    server.name, inputs, outputs=outputs,
                    request_compression_algorithm=request, response_compression_algorithm=response,
                )
                same(server, result, expected, batch)
    # The client does not show the headers.
    body, length = triton.InferenceServerClient.generate_request_body(inputs)
    headers = {"inference-header-content-length": str(length), "accept-encoding": "gzip"}
    response, content = server.request("POST", f"/v2/models/{server.name}/infer", body, headers)
    check(response.headers["content-encoding"] == "gzip", f"a long answer is not compressed: {response.headers}")
    length = response.headers["inference-header-content-length"]
    result = triton.InferenceServerClient.parse_response_body(
        content, header_length=int(length), content_encoding="gzip"
    )
    same(server, result, expected, batch)


def mistakes(server: Foretold, client, batch: list[dict]) -> None:
    """Each must be refused with a message that names what is wrong."""
    inputs = columns(server, batch)
    first = inputs[0].name()
    for feature in server.manifest["feature"]:
        name, numpy_type = feature["name"], None
        match feature["type"]:
            case "category":
                wrong, shown = "no such category", "no such category"
            case "number" if "maximum" in feature:
                wrong, shown = feature["maximum"] + 0.5, str(feature["maximum"] + 0.5)
            case "integer" if "maximum" in feature:
                wrong, shown = feature["maximum"] + 1, str(feature["maximum"] + 1)
            case "integer":
                wrong, shown, numpy_type = 1.5, "1.5", np.float64
            case _:
                continue
        changed = [*batch[:3], {**batch[3], name: wrong}, *batch[4:]]
        types = {name: numpy_type} if numpy_type else {}
        for is_binary in (True, False):
            bad = columns(server, changed, is_binary=is_binary, numpy_types=types)
            refused(client, server.name, bad, "422", name, shown, "row 3")
    refused(client, "nobody", inputs, "404", "nobody", server.name)
    refused(client, server.name, inputs, "404", "0", model_version="0")
    refused(client, server.name, [tensor(server, "nobody", inputs), *inputs], "422", "nobody")
    refused(client, server.name, [inputs[0], *inputs], "422", first)
    if not server.manifest["feature"][0].get("optional"):
        refused(client, server.name, inputs[1:], "422", first)
    refused(client, server.name, [*columns(server, batch[:5])[:1], *inputs[1:]], "422", "5", str(len(batch)))
    refused(client, server.name, [tensor(server, first, inputs, np.complex64), *inputs[1:]], "422", first)
    refused(client, server.name, inputs, "422", "nobody", outputs=[triton.InferRequestedOutput("nobody")])
    [output, *_] = server.endpoints.values()
    classes = triton.InferRequestedOutput(output, class_count=2)
    refused(client, server.name, inputs, "422", "classification", outputs=[classes])


def tensor(server: Foretold, name: str, inputs: list, numpy_type: type = np.float64):
    """A made-up input as long as the others."""
    datatype = np_to_triton_dtype(np.dtype(numpy_type)) or "COMPLEX"
    made = triton.InferInput(name, inputs[0].shape(), datatype)
    if datatype == "COMPLEX":
        made._raw_data = np.zeros(inputs[0].shape(), numpy_type).tobytes()
        made._parameters["binary_data_size"] = len(made._raw_data)
        return made
    return made.set_data_from_numpy(np.zeros(inputs[0].shape(), numpy_type))


def refused(client, name: str, inputs: list, status: str, *texts: str, **options) -> None:
    try:
        client.infer(name, inputs, **options)
    except InferenceServerException as error:
        check(error.status() == status, f"expected status {status}, got {error}")
        missing = [text for text in texts if text not in error.message()]
        check(not missing, f"the message does not name {missing}: {error.message()}")
        return
    sys.exit(f"a request with a mistake ({', '.join(texts)}) is answered")


def shared_cache(server: Foretold, client) -> None:
    """Rows that were asked at an endpoint are hits in infer, and the other way round."""
    [path, *_] = server.endpoints
    for seed, is_binary in ((10, True), (11, False)):
        batch = rows(server.manifest, ROWS, seed)
        answers, status = server.ask(path, batch)
        check(f"0 hits, {ROWS} misses" in status, f"{path} says {status!r} for new rows")
        inputs = columns(server, batch, is_binary=is_binary)
        found = raw_infer(server, inputs)
        check(f"{ROWS} hits, 0 misses" in found, f"infer says {found!r} for rows that {path} has cached")
        batch = rows(server.manifest, ROWS, seed + 10)
        inputs = columns(server, batch, is_binary=is_binary)
        client.infer(server.name, inputs)
        for path in server.endpoints:
            _, status = server.ask(path, batch)
            check(f"{ROWS} hits, 0 misses" in status, f"{path} says {status!r} for rows that infer has cached")


def raw_infer(server: Foretold, inputs: list) -> str:
    """What the cache says of a request with the body that the client makes; the client does not show it."""
    body, length = triton.InferenceServerClient.generate_request_body(inputs)
    headers = {} if length is None else {"inference-header-content-length": str(length)}
    response, content = server.request("POST", f"/v2/models/{server.name}/infer", body, headers)
    check(response.status == 200, f"infer is answered with {response.status}: {content[:500]}")
    return response.headers["cache-status"]


def columns(server: Foretold, batch: list[dict], is_binary=True, shape=None, numpy_types: dict | None = None) -> list:
    """The rows as input tensors, one per feature. Missing numbers are NaN; a column of them is left out."""
    inputs = []
    for feature in server.manifest["feature"]:
        name, values = feature["name"], [row[feature["name"]] for row in batch]
        if all(value is None for value in values):
            continue
        numpy_type = (numpy_types or {}).get(name, NUMPY_TYPE[OF_FEATURE[feature["type"]]])
        if None in values:
            numpy_type, values = np.float64, [np.nan if value is None else value for value in values]
        array = np.array(values, dtype=numpy_type).reshape(shape or [len(batch), 1])
        # JSON knows no NaN, and the client sends it nevertheless.
        binary = is_binary or (array.dtype == np.float64 and bool(np.isnan(array).any()))
        made = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
        inputs.append(made.set_data_from_numpy(array, binary_data=binary))
    return inputs


def same(server: Foretold, result, expected: dict[str, list], batch: list[dict]) -> None:
    found = {output["name"] for output in result.get_response()["outputs"]}
    check(found == set(expected), f"the outputs are {sorted(found)}, not {sorted(expected)}")
    for name, answers in expected.items():
        array = result.as_numpy(name)
        check(array.shape == (len(batch), 1), f"the shape of {name} is {array.shape}, not {(len(batch), 1)}")
        for row, value, answer in zip(batch, array[:, 0], answers):
            # Texts come as bytes where they are binary, and as str from JSON.
            value = value.decode() if isinstance(value, bytes) else value
            equal = value == answer if isinstance(answer, str) else np.float32(value) == np.float32(answer)
            check(equal, f"infer answers {name} of {row} with {value!r}, and the endpoint with {answer!r}")


if __name__ == "__main__":
    main()
