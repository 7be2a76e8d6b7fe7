"""What schemathesis cannot read in the OpenAPI document, for fuzz.py.

A failure is dropped here only where the request and the response themselves show that it is none.
"""
import json

import schemathesis
from jsonschema import Draft202012Validator
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import RejectedPositiveData

MAX_BODY_BYTES = 4 << 20  # `--max-body-bytes` as it is by default
document = {}


@schemathesis.hook
def before_load_schema(context, raw_schema: dict) -> None:
    """Adds what OpenAPI 3.1 has no word for, before requests are made up."""
    # The method QUERY does what POST does; OpenAPI 3.2 knows it.
    raw_schema["openapi"] = "3.2.0"
    for path in raw_schema["paths"].values():
        if "predictions" in path.get("post", {}).get("tags", []):
            path["query"] = {**path["post"], "operationId": "query" + path["post"]["operationId"]}
    # `multipleOf` is not in the document, since many validators compute it in binary: 0.29 is no multiple of
    # 0.01 there. This one does not; both models' steps go through 0.
    for feature in raw_schema["components"]["schemas"]["Row"]["properties"].values():
        if "x-step" in feature:
            feature["multipleOf"] = feature["x-step"]
    # JSON Schema cannot say that tensors are of one length, each of a feature of its own. By the path
    # without a version, requests are made up as the document has them, of which the server refuses most; by
    # the other, requests of one row, which it must take.
    [path] = [path for name, path in raw_schema["paths"].items() if "/versions/" in name and name.endswith("/infer")]
    body = path["post"]["requestBody"]["content"]["application/json"]
    [example] = body["examples"].values()
    body["schema"] = one_row(raw_schema, example["value"]["inputs"])
    document.update(raw_schema)


def one_row(raw_schema: dict, inputs: list[dict]) -> dict:
    """The schema of a request with a tensor of one element for each feature, of the datatype of the example."""
    features = raw_schema["components"]["schemas"]["Row"]["properties"]
    tensors = [
        {
            "type": "object",
            "properties": {
                "name": {"const": tensor["name"]},
                "datatype": {"const": tensor["datatype"]},
                "shape": {"enum": [[1], [1, 1]]},
                "data": {"type": "array", "minItems": 1, "maxItems": 1, "items": features[tensor["name"]]},
            },
            "required": ["name", "datatype", "shape", "data"],
        }
        for tensor in inputs
    ]
    return {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "null"]},
            "inputs": {"type": "array", "prefixItems": tensors, "items": False, "minItems": len(tensors)},
        },
        "required": ["inputs"],
    }


@schemathesis.hook
def filter_failure(context, failure: Failure, case, response) -> bool:
    """Whether a failure is one."""
    if isinstance(failure, (RejectedPositiveData, AcceptedNegativeData)) and response.status_code == 413:
        # The schema has the number of rows; how many bytes they take it cannot say.
        return len(response.request.body) <= MAX_BODY_BYTES
    if isinstance(failure, AcceptedNegativeData) and response.status_code == 200:
        return not explained(case, response)
    if isinstance(failure, RejectedPositiveData) and response.status_code == 422:
        # Tensors that do not go together, by the path whose schema allows them.
        path = case.operation.path
        return not path.endswith("/infer") or "/versions/" in path
    return True


def explained(case, response) -> bool:
    """Whether the request is an array with wrong rows, and each of them has a problem in its place."""
    rows, answers = json.loads(response.request.body), response.json()
    if "predictions" not in case.operation.tags or not isinstance(rows, list) or len(rows) != len(answers):
        return False
    row = Draft202012Validator({**document, "$ref": "#/components/schemas/Row"})
    wrong = [answer for value, answer in zip(rows, answers) if not row.is_valid(value)]
    return bool(wrong) and all(answer.get("status") == 422 for answer in wrong)


@schemathesis.deserializer("application/octet-stream")
def deserialize(context, response) -> object:
    """An answer with binary tensors: the JSON in front of them."""
    [length] = response.headers["inference-header-content-length"]
    return json.loads(response.content[: int(length)])
