"""A proxy in front of the page, which signs people in and names them, as Authelia or oauth2-proxy do."""

import contextlib
import socket
import socketserver
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .process import HOST


class Front:
    """Passes requests on to the component's `address`, each with these headers, instead of those that the browser sent
    by these names. Requests may name it by any name of this machine."""

    def __init__(self, address, **headers):
        self.address = address
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        front = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                with contextlib.suppress(OSError):
                    front.pass_on(self.rfile, self.wfile)

        self._server = socketserver.ThreadingTCPServer((HOST, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def url(self, host="localhost"):
        return f"http://{host}:{self.port}/"

    def pass_on(self, browser, answers):
        """One request and its response, which ends with the connection."""
        head = []
        while (line := browser.readline()).strip():
            head.append(line)
        if not head:
            return
        ours = {name.lower() for name in self.headers} | {"connection"}
        kept = [line for line in head if line.split(b":")[0].strip().lower().decode() not in ours]
        added = [f"{name}: {value}\r\n".encode() for name, value in self.headers.items() if value is not None]
        length = [int(line.split(b":")[1]) for line in head if line.lower().startswith(b"content-length:")]
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port))) as component:
            component.sendall(b"".join([*kept, *added, b"Connection: close\r\n\r\n"]))
            component.sendall(browser.read(length[0]) if length else b"")
            while data := component.recv(65536):
                answers.write(data)


@contextlib.contextmanager
def site(html):
    """Another site's page; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_):
            """Keeps silent."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://evil.localhost:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
