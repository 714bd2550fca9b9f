"""Finding a path's endpoint. Litestar's own router (2.25) fails on path parameters of raw routes."""

from __future__ import annotations

from collections.abc import Mapping

from consent_service.http.endpoint import Answering
from consent_service.http.trace import AsgiReceive, AsgiScope, AsgiSend

#: Stands for any one segment.
_ANY = "*"


class _Node:
    __slots__ = ("children", "endpoint", "parameter", "template")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter = ""
        self.template = ""
        self.endpoint: Answering | None = None


class Router:
    """Endpoints by path template; a literal segment comes before a parameter. `unknown` answers the rest."""

    def __init__(self, endpoints: Mapping[str, Answering], unknown: Answering) -> None:
        self._root = _Node()
        self._unknown = unknown
        for template, endpoint in endpoints.items():
            self._add(template, endpoint)

    def _add(self, template: str, endpoint: Answering) -> None:
        node = self._root
        for segment in filter(None, template.split("/")):
            if segment.startswith("{"):
                node = node.children.setdefault(_ANY, _Node())
                node.parameter = segment[1:-1]
            else:
                node = node.children.setdefault(segment, _Node())
        node.template = template
        node.endpoint = endpoint

    async def __call__(self, scope: AsgiScope, receive: AsgiReceive, send: AsgiSend) -> None:
        node: _Node | None = self._root
        parameters: dict[str, str] = {}
        for segment in scope["path"].split("/")[1:]:
            assert node is not None
            # An empty segment is none of ours: one thing has one path.
            if not segment:
                node = None
                break
            literal = None if segment == _ANY else node.children.get(segment)
            node = literal or node.children.get(_ANY)
            if node is None:
                break
            if literal is None:
                parameters[node.parameter] = segment
        if node is None or node.endpoint is None:
            scope["path_template"] = "none"
            await self._unknown(scope, receive, send)
            return
        scope["path_template"] = node.template
        scope["path_params"] = parameters
        await node.endpoint(scope, receive, send)
