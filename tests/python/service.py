"""What a Python prediction service is usually made of: FastAPI, pydantic, redis-py, an ONNX model.

Keys are `repr(request)`, values the answer's text, both as Foretold writes them with `--keys repr`.
The header `x-cache` says `hit` or `miss`.
"""
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import redis
from fastapi import FastAPI, Response
from pydantic import BaseModel

TTL_SECONDS = 3600
NUMPY_TYPE = {"tensor(float)": np.float32, "tensor(string)": object}


class Endpoint(NamedTuple):
    path: str
    request: type[BaseModel]
    response: type[BaseModel]  # one field
    answer: Callable[[float], str | float]  # to the model's probability


def create(model: Path, tensor: str, column: int, endpoints: list[Endpoint]) -> FastAPI:
    """The service for the model in a file; the environment's REDIS_URL says where the cache is."""
    predict = predictor(model, tensor, column)
    cache = redis.Redis.from_url(os.environ["REDIS_URL"])
    app = FastAPI()
    for endpoint in endpoints:
        add(app, endpoint, cache, predict)
    return app


def add(app: FastAPI, endpoint: Endpoint, cache: redis.Redis, predict: Callable[[BaseModel], float]) -> None:
    [(field, info)] = endpoint.response.model_fields.items()

    @app.post(endpoint.path)
    def answer(request: endpoint.request, response: Response) -> endpoint.response:
        value = cache.get(repr(request))
        response.headers["x-cache"] = "miss" if value is None else "hit"
        if value is None:
            value = str(endpoint.answer(predict(request))).encode()
            cache.set(repr(request), value, ex=TTL_SECONDS)
        return endpoint.response(**{field: info.annotation(value.decode())})


def predictor(model: Path, tensor: str, column: int) -> Callable[[BaseModel], float]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    types = {each.name: NUMPY_TYPE[each.type] for each in session.get_inputs()}

    def predict(request: BaseModel) -> float:
        values = {name: missing_as_nan(value) for name, value in request.model_dump().items()}
        # An input for each field, or one whose columns they are.
        inputs = {name: np.array([[values[name]] if name in values else list(values.values())], dtype) for name, dtype in types.items()}
        return float(session.run([tensor], inputs)[0][0, column])

    return predict


def missing_as_nan(value):
    return np.nan if value is None else value
