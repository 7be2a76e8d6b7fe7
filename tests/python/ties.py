"""The same service over a model whose probabilities are tenths, so that they equal thresholds as 32-bit floats.

    REDIS_URL=redis://127.0.0.1 uvicorn --factory ties:app
"""
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel, create_model

import service
from credit import ProbabilityResponse, probability_of

MODEL = Path(__file__).resolve().parents[1] / "reports" / "ties_in_tenths" / "model.onnx"


class BaseRequest(BaseModel):
    tenths: int


class ProbabilityRequest(BaseRequest): ...


def above(tenths: int) -> service.Endpoint:
    request = create_model(f"Above{tenths}Request", __base__=BaseRequest)
    response = create_model(f"Above{tenths}Response", **{f"above{tenths}": (str, ...)})
    return service.Endpoint(f"/above{tenths}", request, response, lambda probability: "YES" if probability > tenths / 10 else "NO")


def app() -> FastAPI:
    probabilities = service.Endpoint("/probabilities", ProbabilityRequest, ProbabilityResponse, probability_of)
    return service.create(MODEL, "probabilities", 1, [probabilities, *map(above, range(1, 10))])
