"""The credit service, as it was before Foretold.

    REDIS_URL=redis://127.0.0.1 uvicorn --factory credit:app

CREDIT_MODEL in the environment names another model with the same inputs and outputs.
"""
import os
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel

import service

MODEL = Path(os.environ.get("CREDIT_MODEL", Path(__file__).resolve().parents[2] / "models" / "credit" / "model.onnx"))


class BaseRequest(BaseModel):
    installment_rate_in_percentage_of_disposable_income: float
    age_in_years: int
    foreign_worker: str
    present_employment_since: str
    personal_status_and_sex: str


class DecisionRequest(BaseRequest): ...
class ProbabilityRequest(BaseRequest): ...
class RiskCategoryRequest(BaseRequest): ...
class DecisionResponse(BaseModel): decision: str
class ProbabilityResponse(BaseModel): probability: float
class RiskCategoryResponse(BaseModel): risk_category: str


def decision_of(probability: float) -> str:
    return "DECLINE" if probability > 0.5 else "ACCEPT"


def probability_of(probability: float) -> float:
    return probability


def risk_category_of(probability: float) -> str:
    return "LOW" if probability < 0.2 else "MEDIUM" if probability < 0.5 else "HIGH"


def app() -> FastAPI:
    return service.create(MODEL, "probabilities", 1, [
        service.Endpoint("/decisions", DecisionRequest, DecisionResponse, decision_of),
        service.Endpoint("/probabilities", ProbabilityRequest, ProbabilityResponse, probability_of),
        service.Endpoint("/risk_categories", RiskCategoryRequest, RiskCategoryResponse, risk_category_of),
    ])
