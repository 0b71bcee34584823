"""Pages that follow their studies, served to this machine only."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ADDRESS = "127.0.0.1"
NAMES = (ADDRESS, "localhost")
"""Host names to answer to; any other name belongs to a foreign site that points here."""
Render = Callable[[str, str], str]


def serve(
    render: Render,
    version: Callable[[], str],
    port: int = 0,
    on_ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve pages until Ctrl-C; each is built when a browser asks for it.

    Args:
        render: Builds a page from its file name, empty for the first page, and the version that it
            shows (see `page.render`). Raises KeyError if there is no such page.
        version: Version of the content; cheap, because open pages ask for it every few seconds.
        port: Port on 127.0.0.1; 0 takes a free one.
        on_ready: Called with the address once the server answers.

    Raises:
        OSError: The port is taken or not allowed.
        ValueError: The port is not between 0 and 65535.
    """
    with contextlib.suppress(KeyboardInterrupt), server(render, version, port) as serving:
        on_ready(f"http://{ADDRESS}:{serving.server_port}/")
        serving.serve_forever()


def server(render: Render, version: Callable[[], str], port: int = 0) -> ThreadingHTTPServer:
    """The server of `serve`: it listens, but does not answer yet."""
    if not 0 <= port < 2**16:
        raise ValueError(f"port must be between 0 and 65535, where 0 takes a free one, got {port}")
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            own_port = self.connection.getsockname()[1]
            if self.headers.get("Host", "").removesuffix(f":{own_port}") not in NAMES:
                text = f"this page is served as {' or '.join(NAMES)} only"
                self.answer(HTTPStatus.FORBIDDEN, "text/plain", text)
            elif self.path == "/version":
                self.answer_with("text/plain", version)
            else:
                self.answer_with("text/html", lambda: render(self.path[1:], version()))

        def answer_with(self, kind: str, make: Callable[[], str]) -> None:
            try:
                with one_at_a_time:
                    text = make()
            except KeyError:
                self.answer(HTTPStatus.NOT_FOUND, "text/plain", "there is no such page")
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
            with contextlib.suppress(ConnectionError):  # the tab was closed
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing: the terminal belongs to the user."""

    try:
        return ThreadingHTTPServer((ADDRESS, port), Handler)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OSError(
                f"port {port} of {ADDRESS} is taken by another program: choose another one, "
                "or 0 for a free one"
            ) from None
        raise OSError(f"cannot listen on port {port} of {ADDRESS}: {error.strerror}") from None
