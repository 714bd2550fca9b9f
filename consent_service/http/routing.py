"""Finding a path's endpoint. Litestar's own router (2.25) fails on path parameters of raw routes."""

from __future__ import annotations

from collections.abc import Mapping

from consent_service.http.endpoint import Answering

#: Stands for any one segment.
_ANY = "*"


class _Node:
    __slots__ = ("children", "endpoint", "parameter", "template")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter = ""
        self.template = ""
        self.endpoint: Answering | None = None


#: What answers a path, its template, and the path's parameters.
Found = tuple[Answering, str, dict[str, str]]


class Router:
    """Endpoints by path template; a literal segment comes before a parameter.

    `unknown` answers what is not found under a first segment that it names.
    """

    def __init__(self, endpoints: Mapping[str, Answering], unknown: Mapping[str, Answering]) -> None:
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

    def find(self, path: str) -> Found | None:
        """None where nothing of these endpoints stands under the path."""
        node: _Node | None = self._root
        parameters: dict[str, str] = {}
        segments = path.split("/")[1:]
        for segment in segments:
            assert node is not None
            literal = node.children.get(segment) if segment != _ANY else None
            node = literal or node.children.get(_ANY)
            # An empty segment is none of ours: one thing has one path.
            if node is None or not segment:
                break
            if literal is None:
                parameters[node.parameter] = segment
        else:
            assert node is not None
            if node.endpoint is not None:
                return node.endpoint, node.template, parameters
        # `OPTIONS *` has no segment.
        unknown = self._unknown.get(segments[0]) if segments else None
        return None if unknown is None else (unknown, "none", {})
