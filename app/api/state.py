"""The service's state, as a dependency of the routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.service.state import ServiceState


def service_state(request: Request) -> ServiceState:
    """Return the state of the application that answers this request."""
    state: ServiceState = request.app.state.service
    return state


State = Annotated[ServiceState, Depends(service_state)]
