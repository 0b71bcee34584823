"""A page that follows its study, served to this machine alone."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS = "127.0.0.1"
NAMES = (ADDRESS, "localhost")
"""By which a browser here may call it; any other name is a foreign site's that points here."""


def serve(
    render: Callable[[str], str],
    version: Callable[[], str],
    port: int = 0,
    on_ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve a page until Ctrl-C, made anew whenever a browser asks for it.

    Args:
        render: The page, given the version that it is to show (see `page.render`).
        version: Of what there is to show; cheap, as an open page asks for it every few seconds.
        port: On 127.0.0.1; 0 takes a free one.
        on_ready: Told the page's address once it answers.

    Raises:
        OSError: The port is taken or not allowed.
        ValueError: It is no port.
    """
    with contextlib.suppress(KeyboardInterrupt), server(render, version, port) as serving:
        on_ready(f"http://{ADDRESS}:{serving.server_port}/")
        serving.serve_forever()


def server(
    render: Callable[[str], str], version: Callable[[], str], port: int = 0
) -> ThreadingHTTPServer:
    """The server of `serve`, which listens already and does not answer yet."""
    if not 0 <= port < 2**16:
        raise ValueError(f"port must be between 0 and 65535, where 0 takes a free one, got {port}")
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            own_port = self.server.server_address[1]
            if self.headers.get("Host", "").removesuffix(f":{own_port}") not in NAMES:
                text = f"this page answers as {' or '.join(NAMES)} only"
                self.answer(HTTPStatus.FORBIDDEN, "text/plain", text)
            elif self.path == "/":
                self.answer_with("text/html", lambda: render(version()))
            elif self.path == "/version":
                self.answer_with("text/plain", version)
            else:
                self.answer(HTTPStatus.NOT_FOUND, "text/plain", "there is only / here")

        def answer_with(self, kind: str, make: Callable[[], str]) -> None:
            try:
                with one_at_a_time:
                    text = make()
            except Exception as error:  # a store may be out of reach for a while
                name = type(error).__name__
                self.answer(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", f"{name}: {error}")
            else:
                self.answer(HTTPStatus.OK, kind, text)

        def answer(self, status: HTTPStatus, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            with contextlib.suppress(ConnectionError):  # a tab was closed meanwhile
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing: the terminal is the user's."""

    try:
        return ThreadingHTTPServer((ADDRESS, port), Handler)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OSError(
                f"port {port} of {ADDRESS} is taken by another program: choose another one, "
                "or 0 for a free one"
            ) from None
        raise OSError(f"cannot listen on port {port} of {ADDRESS}: {error.strerror}") from None
