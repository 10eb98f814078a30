from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.app.viewer.browser import running_browser
from tests.helpers.makers import publish_threshold_model
from tests.helpers.service import Service, running_service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of this module alone: its event loop must not be running while other tests start theirs."""
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("viewer")
    publish_threshold_model(folder / "models")
    with running_service(folder / "data", folder / "models") as service:
        yield service


@pytest.fixture(scope="module")
def base(service: Service) -> str:
    return str(service.client.base_url).rstrip("/")
