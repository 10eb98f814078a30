"""/models: the published models, the details of each, and which one is served."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.concurrency import run_in_threadpool

from app.api.address import Root
from app.api.documentation import problems
from app.api.security import Caller
from app.api.state import State
from app.contract.service import Activation, ModelDetail, ModelList, ModelSummary, Readiness
from app.inference.errors import InferenceError
from app.inference.model_store import ModelStore
from app.problems.problem import ProblemError
from app.records.audit import AuditEvent
from app.service.state import ServiceState

router = APIRouter(prefix="/models", tags=["models"])


@router.get("", summary="Published models")
async def list_models(state: State, root: Root) -> ModelList:
    """Return the published models, oldest first."""
    return await run_in_threadpool(_list, state, root)


@router.put(
    "/active",
    summary="Serve another version",
    responses=problems("unknown_model", "activation_failed", "invalid_parameter"),
)
async def put_active(activation: Activation, state: State, principal: Caller) -> Readiness:
    """Load a version, run its self-test, then switch to it; needs the role admin.

    Requests under way finish on the model they began with. If the new model fails, the old one stays. The choice
    survives a restart, unless `FETALHEAD_MODEL_VERSION` names a version.
    """
    await run_in_threadpool(state.model.activate, activation.version)
    readiness = state.model.readiness()
    detail = {"model": f"{readiness.model.name}/{activation.version}", "model_sha256": ",".join(readiness.model.sha256)}
    await run_in_threadpool(state.records.repository.note, AuditEvent(principal.name, "activate", detail=detail))
    return readiness


@router.get("/{version}", summary="One model", responses=problems("unknown_model", "invalid_parameter", "model_failed"))
async def get_model(version: Annotated[int, Path(ge=1)], state: State) -> ModelDetail:
    """Return one model: manifest, model card and validated accuracy."""
    return await run_in_threadpool(_detail, state, version)


def _list(state: ServiceState, root: str) -> ModelList:
    name, store = state.settings.model_name, ModelStore(state.settings.model_store)
    return ModelList(models=tuple(_summary(state, store, name, version, root) for version in store.versions(name)))


def _summary(state: ServiceState, store: ModelStore, name: str, version: int, root: str) -> ModelSummary:
    href, active = f"{root}/models/{version}", state.model.is_active(name, version)
    try:
        manifest = store.manifest(name, version)
    except InferenceError as error:
        return ModelSummary(name=name, version=version, active=active, damage=error.code, href=href)
    accuracy = None if manifest.accuracy is None else manifest.accuracy.model_dump(mode="json")
    return ModelSummary(
        name=name,
        version=version,
        created=manifest.created,
        active=active,
        data=manifest.training.data,
        accuracy=accuracy,
        href=href,
    )


def _detail(state: ServiceState, version: int) -> ModelDetail:
    name, store = state.settings.model_name, ModelStore(state.settings.model_store)
    if version not in store.versions(name):
        raise ProblemError("unknown_model", got=f"version {version}")
    try:
        model = store.resolve(name, version)
        evaluation, card = model.evaluation(), model.model_card()
    except InferenceError as error:
        raise ProblemError("model_failed", f"Version {version} is damaged ({error.code}).") from error
    return ModelDetail(
        active=state.model.is_active(name, version),
        manifest=model.manifest.model_dump(mode="json"),
        evaluation=evaluation,
        model_card=card,
    )
