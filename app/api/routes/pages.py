"""Pages for people: the viewer, the API's documentation (with no other host), the problems."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

import app.viewer
from app.api.address import Root
from app.problems.catalogue import PROBLEMS, ProblemType
from app.problems.problem import ProblemError

STATIC = Path(__file__).parents[1] / "static"
VIEWER = Path(app.viewer.__file__).parent / "static"
VIEWER_PAGE = "index.html"
FOREVER = "public, max-age=31536000, immutable"
"""The viewer's assets have a hash of their content in their names."""
OWN_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'self'; frame-ancestors 'none'"
)
VIEWER_POLICY = OWN_POLICY.replace("img-src 'self' data:", "img-src 'self' data: blob:")
DOCS_POLICY = OWN_POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'; font-src data:")
DOCS = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>fetalhead API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="docs/assets/swagger-ui.css">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="docs/assets/swagger-ui-bundle.js"></script>
    <script src="static/docs.js"></script>
  </body>
</html>
"""
PAGE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>{title}</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="{root}/static/page.css">
  </head>
  <body><main><h1>{title}</h1>{body}</main></body>
</html>
"""
router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


class ViewerAssets(StaticFiles):
    """The viewer's scripts and styles, which browsers may cache."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file, or 404."""
        response = await super().get_response(path, scope)
        if not path.endswith(".txt"):
            response.headers["Cache-Control"] = FOREVER
        return response


def mount_static(application: FastAPI) -> None:
    """Serve the pages' scripts and styles from this installation."""
    application.mount("/static", StaticFiles(directory=STATIC))
    application.mount("/docs/assets", StaticFiles(directory=str(files("fastapi_offline") / "static")))
    application.mount("/viewer/assets", ViewerAssets(directory=VIEWER / "assets", check_dir=False))


@router.get("/")
async def viewer(root: Root) -> HTMLResponse:
    """Return the viewer or, if it was not built, a plain form that says so."""
    if (VIEWER / VIEWER_PAGE).is_file():
        return _page(_base_links((VIEWER / VIEWER_PAGE).read_text("utf-8"), root), VIEWER_POLICY)
    return _page(_base_links((STATIC / "landing.html").read_text("utf-8"), root))


@router.get("/docs", response_model=None)
async def documentation(request: Request) -> Response:
    """Return the interactive documentation of the API, where its relative links lead to something."""
    slashes = len(request.scope["raw_path"]) - len(request.scope["raw_path"].rstrip(b"/"))
    return RedirectResponse(f"{'../' * slashes}docs") if slashes else _page(DOCS, DOCS_POLICY)


@router.get("/problems")
async def problem_list(root: Root) -> HTMLResponse:
    """Return the list of every problem that the service answers with."""
    rows = "".join(_row(kind, root) for kind in PROBLEMS.values())
    table = f"<table><tr><th>Status</th><th>Code</th><th>Meaning</th></tr>{rows}</table>"
    return _page(PAGE.format(title="Problems", body=table, root=root))


@router.get("/problems/{code}")
async def problem_page(code: str, root: Root) -> HTMLResponse:
    """Return the page of a problem: its meaning and its remedy."""
    if code not in PROBLEMS:
        raise ProblemError("not_found")
    return _page(PAGE.format(title=escape(PROBLEMS[code].title), body=_description(PROBLEMS[code], root), root=root))


def _base_links(html: str, root: str) -> str:
    """Return a page whose relative links begin at the prefix, even where its address lacks the slash behind it."""
    return html.replace("<head>", f'<head>\n    <base href="{root}/">', 1) if root else html


def _row(kind: ProblemType, root: str) -> str:
    link = f"<a href='{root}/problems/{kind.code}'>{kind.code}</a>"
    return f"<tr><td>{kind.status}</td><td>{link}</td><td>{escape(kind.meaning)}</td></tr>"


def _description(kind: ProblemType, root: str) -> str:
    return (
        f"<p>{escape(kind.meaning)}</p><p>{escape(kind.remedy)}</p>"
        f"<p>Code <code>{kind.code}</code>, status {kind.status}. <a href='{root}/problems'>All problems</a></p>"
    )


def _page(html: str, policy: str = OWN_POLICY) -> HTMLResponse:
    return HTMLResponse(html, headers={"Content-Security-Policy": policy})
