"""A route of JupyterLab's server that pulls the kill switch: it works while the kernel is blocked.

``POST kisnb/halt`` with ``{"mode": "sim", "reason": "…"}`` tells the desk of that mode. It answers with the steps, and
with the lines that the panel shows of them. Who may call it is Jupyter's own matter: a signed-in user, with Jupyter's
protection against foreign pages.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any

import msgspec
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from kisnb.desk.life.kill_switch import pull
from kisnb.errors import BadInput, KisnbError
from kisnb.notebook.panels.desk_notices import run_notices
from kisnb.terms import Mode
from kisnb.trading.ports.commands import Halt


class HaltHandler(APIHandler):
    """Halts one desk; what is wrong is answered in one sentence."""

    @web.authenticated
    async def post(self) -> None:
        try:
            mode, reason = asked(self.request.body)
            answer = await asyncio.to_thread(halt, mode, reason)
        except BadInput as e:
            self.set_status(HTTPStatus.BAD_REQUEST)
            self.finish(json.dumps({"message": str(e)}))
        except KisnbError as e:
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
            self.finish(json.dumps({"message": str(e)}))
        else:
            self.finish(json.dumps(answer))


def asked(body: bytes) -> tuple[Mode, str]:
    """Mode and reason of a request; raises BadInput."""
    try:
        said = json.loads(body)
        return Mode(said["mode"]), str(said.get("reason") or "from the browser")[:200]
    except (ValueError, KeyError, TypeError, AttributeError) as e:
        raise BadInput("the request names no desk", 'send {"mode": "sim", "reason": "why"}') from e


def halt(mode: Mode, reason: str) -> dict[str, object]:
    """The steps of the kill switch, and the lines that the panel shows of them. Raises as ``pull``."""
    steps = list(pull(mode, Halt(reason)))
    return {
        "steps": [{"step": s.step, "done": s.done, "text": s.text} for s in steps],
        "notices": msgspec.to_builtins(run_notices(steps)),
    }


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "kisnb.notebook.server_extension"}]


def _load_jupyter_server_extension(app: Any) -> None:
    base = app.web_app.settings["base_url"]
    app.web_app.add_handlers(".*$", [(url_path_join(base, "kisnb", "halt"), HaltHandler)])
