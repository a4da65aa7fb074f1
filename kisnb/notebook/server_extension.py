"""Two routes of JupyterLab's server: the kill switch, and the libraries that panels draw with.

``POST kisnb/halt`` with ``{"mode": "sim", "reason": "…"}`` halts the desk of that mode. It works
while the kernel is blocked. The answer has the steps, and the lines that the panel shows of them.
Jupyter decides who may call it: a signed-in user, with Jupyter's protection against foreign pages.

``GET kisnb/vendor/FILE`` gives a library. Its name holds its version, so that a browser keeps it.
"""

from __future__ import annotations

import asyncio
import json
import re
from http import HTTPStatus
from typing import Any

import msgspec
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from kisnb.desk.life.kill_switch import pull
from kisnb.errors import BadInput, KisnbError
from kisnb.notebook.panels.desk_notices import run_notices
from kisnb.notebook.panels.libraries import LIBRARIES, VENDOR
from kisnb.terms import Mode
from kisnb.trading.ports.commands import Halt


class HaltHandler(APIHandler):
    """Halts one desk. An error is answered in one sentence."""

    @web.authenticated
    async def post(self) -> None:
        """Pull the kill switch, and answer when its steps have ended."""
        try:
            # HALT goes past the kernel on purpose: a cell that blocks the kernel's loop would also
            # keep every message of a widget waiting.
            mode, reason = asked(self.request.body)
            # Off the server's loop, because the desk takes seconds.
            answer = await asyncio.to_thread(halt, mode, reason)
        except BadInput as e:
            self.set_status(HTTPStatus.BAD_REQUEST)
            self.finish(json.dumps({"message": str(e)}))
        except KisnbError as e:
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
            self.finish(json.dumps({"message": str(e)}))
        else:
            self.finish(json.dumps(answer))


class LibraryHandler(web.StaticFileHandler):
    """Gives the libraries of ``kisnb/notebook/vendor``. They are public, as Jupyter's own are."""

    def set_extra_headers(self, path: str) -> None:
        """Let the browser keep the file: another version has another name."""
        del path
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")

    def get_content_type(self) -> str:
        """Return the type. Python's own table takes it from the machine, which may not know it."""
        path = str(self.absolute_path)
        return "text/javascript" if path.endswith(".mjs") else super().get_content_type()


def asked(body: bytes) -> tuple[Mode, str]:
    """Return the mode and the reason that a request names. Raises BadInput."""
    try:
        request = json.loads(body)
        # The reason appears in the journal and in every panel, so a page cannot make it endless.
        return Mode(request["mode"]), str(request.get("reason") or "from the browser")[:200]
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise BadInput("the request names no desk", 'send {"mode": "sim", "reason": "why"}') from e


def halt(mode: Mode, reason: str) -> dict[str, object]:
    """Pull the kill switch of a desk. Raises what ``pull`` raises.

    Return its steps, and the lines that the panel shows of them.
    """
    steps = list(pull(mode, Halt(reason)))
    return {
        "steps": [{"step": s.step, "done": s.done, "text": s.text} for s in steps],
        "notices": msgspec.to_builtins(run_notices(steps)),
    }


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "kisnb.notebook.server_extension"}]


def _load_jupyter_server_extension(app: Any) -> None:
    base = app.web_app.settings["base_url"]
    # The pattern of the host takes any name: Jupyter itself checks which hosts may be used.
    libraries = "|".join(map(re.escape, LIBRARIES.values()))
    routes = [
        (url_path_join(base, "kisnb", "halt"), HaltHandler),
        (
            url_path_join(base, "kisnb", "vendor", f"({libraries})"),
            LibraryHandler,
            {"path": VENDOR},
        ),
    ]
    app.web_app.add_handlers(".*$", routes)
