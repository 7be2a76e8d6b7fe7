"""The same service over the made-up model in kinds/, which has a feature of every kind.

    REDIS_URL=redis://127.0.0.1 uvicorn --factory kinds:app
"""
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel

import service
from credit import DecisionResponse, ProbabilityResponse, RiskCategoryResponse, probability_of

MODEL = Path(__file__).resolve().parent / "kinds" / "model.onnx"


class BaseRequest(BaseModel):
    amount: float
    count: int
    active: bool
    balance: float | None = None
    children: int | None = None
    note: str


class DecisionRequest(BaseRequest): ...
class ProbabilityRequest(BaseRequest): ...
class RiskCategoryRequest(BaseRequest): ...


def decision_of(probability: float) -> str:
    return "refusé" if probability > 0.5 else "it's \"accepted\" ✓"


def risk_category_of(probability: float) -> str:
    return "низкий" if probability < 0.4 else "中" if probability < 0.6 else "high\\high"


def app() -> FastAPI:
    return service.create(MODEL, "probability", 0, [
        service.Endpoint("/decisions", DecisionRequest, DecisionResponse, decision_of),
        service.Endpoint("/probabilities", ProbabilityRequest, ProbabilityResponse, probability_of),
        service.Endpoint("/risk_categories", RiskCategoryRequest, RiskCategoryResponse, risk_category_of),
    ])
