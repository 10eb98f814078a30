"""The pages about the Python client and the modules, from their source: signatures and docstrings."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, Final

from scripts.reference.markdown import NOTE, table

Function = ast.FunctionDef | ast.AsyncFunctionDef

CLIENT: Final = """\
# Python client

`from fetalhead import FetalHead` talks to a running service; [use it from Python](../how-to/python.md) shows how.
`AsyncFetalHead` has the same methods, to be awaited."""
MODULES: Final = """\
# Modules

What training and the service share, and what other programs may use. Arrays are indexed `[i, j, k]` as in the file,
lengths are in mm, world coordinates are RAS+."""
SHARED: Final = {
    "Volumes and files": [
        "app.imaging.volume",
        "app.imaging.formats.registry",
        "app.imaging.formats.file",
        "app.imaging.formats.checks",
        "app.imaging.nifti.file",
    ],
    "Measuring": [
        "app.imaging.preprocess",
        "app.imaging.postprocess",
        "app.imaging.quality",
        "app.imaging.biometry",
        "app.imaging.growth",
    ],
    "Models": [
        "app.inference.manifest",
        "app.inference.model_store",
        "app.inference.segmenter",
        "app.inference.volume_interval",
    ],
}
ASYNC: Final = "Async"
"""The beginning of a class's name whose methods are those of the class without it."""


def client_page() -> str:
    """Return the page about everything that the client exports."""
    client = importlib.import_module("app.client")
    exported = [getattr(client, name) for name in client.__all__]
    errors = [kind for kind in exported if issubclass(kind, Exception)]
    others = sorted(
        set(exported) - set(errors),
        key=lambda kind: (kind.__name__.removeprefix(ASYNC), kind.__name__.startswith(ASYNC)),
    )
    parts = [NOTE, CLIENT, *(part for kind in others for part in _class(kind, 2))]
    parts += ["## Errors", _tree(errors), *(part for kind in errors for part in _class(kind, 3))]
    return "\n\n".join(parts) + "\n"


def modules_page() -> str:
    """Return the page about the modules that are shared."""
    parts = [NOTE, MODULES]
    for heading, names in SHARED.items():
        parts += [f"## {heading}", *(part for name in names for part in _module(importlib.import_module(name)))]
    return "\n\n".join(parts) + "\n"


def _tree(errors: Sequence[type]) -> str:
    """Return the tree that the errors' own module draws."""
    drawn = (inspect.getdoc(importlib.import_module(errors[0].__module__)) or "").partition("\n\n")[2]
    return f"```text\n{drawn.strip()}\n```"


def _module(module: ModuleType) -> Iterator[str]:
    yield f"### {module.__name__}"
    yield inspect.getdoc(module) or ""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value):
            yield from _class(value, 4)
        elif inspect.isfunction(value):
            yield "\n\n".join([f"#### {name}", *_function(value)])


def _class(kind: type, level: int) -> Iterator[str]:
    """Yield heading, docstring, fields and public methods of a class."""
    node = _node(kind)
    assert isinstance(node, ast.ClassDef)
    yield f"{'#' * level} {kind.__name__}"
    if constructor := next((f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"), None):
        yield f"**`{kind.__name__}{_signature(constructor, bound=True)}`**"
    yield _docstring(inspect.cleandoc(kind.__doc__ or ""))
    fields = [[f"`{name}`", f"`{type_}`", text] for name, type_, text in _fields(node)]
    if fields:
        yield table(["field", "type", "meaning"], fields)
    for name, value in vars(kind).items():
        if not name.startswith("_") and not kind.__name__.startswith(ASYNC):
            yield from _member(name, value)


def _member(name: str, value: Any) -> Iterator[str]:
    """Yield a method or property with its docstring; nothing for anything else."""
    found = getattr(value, "fget", None) or getattr(value, "func", None) or getattr(value, "__func__", value)
    if not inspect.isfunction(found):
        return
    if found is value or isinstance(value, classmethod | staticmethod):
        yield "\n\n".join(_function(found, bound=not isinstance(value, staticmethod)))
        return
    node = _node(found)
    assert isinstance(node, ast.FunctionDef)
    yield f"**`{name}: {_returned(node)}`**\n\n{_docstring(inspect.getdoc(found) or '')}"


def _function(function: Callable[..., Any], bound: bool = False) -> list[str]:
    node = _node(function)
    assert isinstance(node, Function)
    return [f"**`{node.name}{_signature(node, bound)}`**", _docstring(inspect.getdoc(function) or "")]


def _node(value: Any) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(value))).body[0]


def _signature(node: Function, bound: bool) -> str:
    """Return the parameters, without self or cls where it is bound, and what comes back."""
    arguments = node.args
    if bound:
        (arguments.posonlyargs or arguments.args).pop(0)
    returned = _returned(node)
    parameters = re.sub(r"(: [^=,]+)=", r"\1 = ", ast.unparse(arguments))
    return f"({parameters})" + (f" -> {returned}" if returned and node.name != "__init__" else "")


def _returned(node: Function) -> str:
    return "" if node.returns is None else ast.unparse(node.returns)


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    """Yield name, type with default, and meaning of each annotated field: its docstring or its description."""
    for statement, following in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and not ast.unparse(statement.target).startswith("_"):
            default, described = _default(statement.value)
            text = _string(following.value) if isinstance(following, ast.Expr) else ""
            annotation = ast.unparse(statement.annotation)
            yield (
                ast.unparse(statement.target),
                f"{annotation} = {default}" if default else annotation,
                text or described,
            )


def _default(value: ast.expr | None) -> tuple[str, str]:
    """Return a field's default as it is written, and its description; of `Field(...)` what it is called with."""
    if not isinstance(value, ast.Call) or ast.unparse(value.func) not in {"Field", "field"}:
        return ("", "") if value is None else (ast.unparse(value), "")
    named = {keyword.arg: keyword.value for keyword in value.keywords}
    default = next(iter(value.args), named.get("default"))
    return ("" if default is None else ast.unparse(default)), _string(named.get("description"))


def _string(value: ast.expr | None) -> str:
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def _docstring(text: str) -> str:
    """Return a docstring with its sections `Args:` and `Raises:`, and columns of names and meanings, as lists."""
    lines = []
    for line in text.splitlines():
        if re.fullmatch(r"(Args|Raises|Returns|Attributes):", line):
            lines += [f"{line}", ""]
        elif entry := re.fullmatch(r" {4}(\w+): (.+)", line) or re.fullmatch(r"([a-z]\w+) {2,}(.+)", line):
            lines.append(f"- `{entry[1]}`: {entry[2]}")
        else:
            lines.append(re.sub(r"^ {4,}", "  ", line))
    return "\n".join(lines)
