import pytest

from app.api.negotiation import preferred_type

OFFERS = ["application/json", "application/gzip", "application/zip"]


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/zip", "application/zip"),
        ("APPLICATION/ZIP", "application/zip"),
        ("application/json;q=0.4, application/gzip;q=0.5", "application/gzip"),
        ("application/json;q=0, */*;q=0.1", "application/gzip"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        ("image/png", None),
        ("application/json;q=0", None),
        ("application/json;q=much", None),
        (";;;,,,", None),
    ],
)
def test_the_offer_that_the_client_likes_best(accept: str | None, chosen: str | None) -> None:
    assert preferred_type(accept, OFFERS) == chosen
