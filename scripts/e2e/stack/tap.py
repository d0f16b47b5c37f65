"""Passes Alertmanager's webhooks on to the gateway, and writes down what was answered about each alert."""

import contextlib
import http.client
import http.server
import json
import threading
import urllib.parse

# More than the gateway's own bound of a request.
ANSWER_SECONDS = 40


class Tap:
    """Listens on loopback at `url` until `stop`; `answers` are (labels, status, result) in order of arrival."""

    def __init__(self, gateway):
        self.gateway = urllib.parse.urlparse(gateway).netloc
        self.lock = threading.Lock()
        self.seen = []
        tap = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                tap.pass_on(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def pass_on(self, request):
        """One webhook; an unreachable gateway is 502, so that Alertmanager sends again."""
        body = request.rfile.read(int(request.headers["content-length"]))
        headers = {name: request.headers[name] for name in ("content-type", "authorization") if name in request.headers}
        try:
            upstream = http.client.HTTPConnection(self.gateway, timeout=ANSWER_SECONDS)
            upstream.request("POST", request.path, body, headers)
            answer = upstream.getresponse()
            status, content, kind = answer.status, answer.read(), answer.headers.get("content-type", "")
            upstream.close()
        except OSError as error:
            status, content, kind = 502, str(error).encode(), "text/plain"
        self.note(json.loads(body)["alerts"], status, content)
        with contextlib.suppress(OSError):  # an Alertmanager that ends listens no more
            request.send_response(status)
            request.send_header("content-type", kind)
            request.send_header("content-length", str(len(content)))
            request.end_headers()
            request.wfile.write(content)

    def note(self, alerts, status, content):
        """Several alerts have a result each, one has the whole answer."""
        try:
            answer = json.loads(content)
        except json.JSONDecodeError:
            answer = {"status": "failed", "message": content.decode(errors="replace")}
        results = answer.get("results") or [answer] * len(alerts)
        with self.lock:
            for alert, result in zip(alerts, results):
                if alert["status"] == "firing":
                    self.seen.append((alert["labels"], status, result))

    def answers(self):
        """All so far."""
        with self.lock:
            return list(self.seen)

    def stop(self):
        """Listens no more."""
        self.server.shutdown()
        self.server.server_close()
