"""A package index on this machine, for the real uv: what it serves is made up, how it serves it is not (PEP 691)."""

import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class PackageIndex:
    """Serves while the block runs. ``asked`` are the paths that were requested."""

    def __init__(self) -> None:
        self._projects: dict[str, list[dict[str, Any]]] = {}
        self._files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def __enter__(self) -> "PackageIndex":
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                self.wfile.write(self._headed())

            def do_HEAD(self) -> None:
                self._headed()

            def _headed(self) -> bytes:
                kind, body = index._answer(self.path.strip("/").split("/"))
                self.send_response(200 if kind else 404)
                self.send_header("Content-Type", kind or "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                return body

            def log_message(self, *about: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *about: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, cache: Path) -> dict[str, str]:
        """What points uv at this index, with a cache of its own."""
        url = f"http://127.0.0.1:{self._server.server_address[1]}/simple"
        return {"UV_DEFAULT_INDEX": url, "UV_CACHE_DIR": str(cache), "UV_NO_CONFIG": "1"}

    def wheel(self, name: str, version: str, requires: Sequence[str] = (), yanked: str | bool = False) -> None:
        """A package with nothing in it; the same one again takes the place of the first."""
        info = f"{name}-{version}.dist-info"
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            archive.writestr(f"{info}/METADATA", _metadata(name, version, requires))
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        self._add(name, f"{name}-{version}-py3-none-any.whl", data.getvalue(), yanked)

    def source(self, name: str, version: str, setup: str) -> None:
        """A package that comes as source alone; ``setup`` is what building it runs."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as archive:
            for file, text in (("setup.py", setup), ("PKG-INFO", _metadata(name, version, (), "1.2"))):
                entry = tarfile.TarInfo(f"{name}-{version}/{file}")
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
        self._add(name, f"{name}-{version}.tar.gz", data.getvalue(), False)

    def _add(self, name: str, file: str, data: bytes, yanked: str | bool) -> None:
        self._files[file] = data
        listed = {"filename": file, "url": f"/files/{file}", "hashes": {}, "yanked": yanked}
        others = [one for one in self._projects.get(name, ()) if one["filename"] != file]
        self._projects[name] = [*others, listed]

    def _answer(self, parts: list[str]) -> tuple[str, bytes]:
        if parts[0] == "files" and parts[-1] in self._files:
            return "application/octet-stream", self._files[parts[-1]]
        if parts[0] == "simple" and parts[-1] in self._projects:
            told = {"meta": {"api-version": "1.1"}, "name": parts[-1], "files": self._projects[parts[-1]]}
            return "application/vnd.pypi.simple.v1+json", json.dumps(told).encode()
        return "", b""


def _metadata(name: str, version: str, requires: Sequence[str], form: str = "2.1") -> str:
    lines = [f"Metadata-Version: {form}", f"Name: {name}", f"Version: {version}"]
    return "\n".join([*lines, *(f"Requires-Dist: {one}" for one in requires)]) + "\n"
