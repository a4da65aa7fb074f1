"""Two routes of JupyterLab's server: the kill switch, and the libraries that draw panels.

``POST kisnb/halt`` with ``{"mode": "sim", "reason": "…"}`` halts the desk of that mode. It works
while the kernel is blocked. The answer has the steps, and the lines that the panel shows for them.
Jupyter decides who may call it: a signed-in user, with Jupyter's protection against foreign pages.

``GET kisnb/vendor/FILE`` returns the file of a library. Its name has its version, so a browser may
keep it for ever.
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
    """Halts one desk. An error is returned as one sentence."""

    @web.authenticated
    async def post(self) -> None:
        """Pull the kill switch, and answer when its steps have ended."""
        try:
            # HALT does not use the kernel, because a cell that blocks the kernel's loop also delays
            # every message of a widget.
            mode, reason = asked(self.request.body)
            # This runs in a thread, because the desk takes seconds.
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
    """Serves the files of ``kisnb/notebook/vendor``. They are public, like Jupyter's own files."""

    def set_extra_headers(self, path: str) -> None:
        """Let the browser keep the file for ever. Another version has another name."""
        del path
        self.set_header("Cache-Control", "public, max-age=31536000, immutable")

    def get_content_type(self) -> str:
        """Return the type of a file.

        Python's own table depends on the machine, which may not know the type.
        """
        path = str(self.absolute_path)
        return "text/javascript" if path.endswith(".mjs") else super().get_content_type()


def asked(body: bytes) -> tuple[Mode, str]:
    """Return the mode and the reason in a request. Raises BadInput."""
    try:
        request = json.loads(body)
        # The reason appears in the journal and in every panel, so its length is limited.
        return Mode(request["mode"]), str(request.get("reason") or "from the browser")[:200]
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise BadInput("the request names no desk", 'send {"mode": "sim", "reason": "why"}') from e


def halt(mode: Mode, reason: str) -> dict[str, object]:
    """Pull the kill switch of a desk.

    Return its steps, and the lines that the panel shows for them. Raises the errors of ``pull``.
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
    # The pattern accepts any host name, because Jupyter itself checks which hosts may be used.
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
