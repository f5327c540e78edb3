"""A small platform for the command line: what it holds is set by the test, and what it was asked is kept."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

FINISHED = {"ERROR", "TERMINATED", "TIMEOUT"}


def row(number, **fields):
    """Return a running sandbox as the platform writes it."""
    moment = f"2026-11-24T{14 + number % 8:02}:00:{number % 60:02}Z"
    return {
        "id": f"sbx_{number:04}abcd",
        "name": f"try-{number}",
        "labels": ["run=42"],
        "dockerImage": "python:3.11-slim",
        "status": "RUNNING",
        "createdAt": moment,
        "updatedAt": moment,
        "startedAt": moment,
        "cpuCores": 1,
        "memoryGB": 2,
        "diskSizeGB": 5,
        "gpuCount": 0,
        "timeoutMinutes": 60,
        **fields,
    }


class FleetServer(ThreadingHTTPServer):
    """Lists, shows and deletes ``rows``. ``broken`` maps ``METHOD /path`` to a status and a body."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), FleetHandler)
        self.rows = []
        self.requests = []
        self.created = []
        self.logs = {}
        self.broken = {}
        self.on_request = lambda method, path: None

    def handle_error(self, *_):
        """Ignore clients that leave."""


class FleetHandler(BaseHTTPRequestHandler):
    def handle_any(self):
        parts = urlsplit(self.path)
        path = parts.path.removeprefix("/api/v1")
        asked = f"{self.command} {path}"
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append(f"{asked}?{parts.query}" if parts.query else asked)
        self.server.on_request(self.command, path)
        status, answer = self.server.broken.get(asked) or self.answer(path, parse_qs(parts.query), body)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = handle_any

    def answer(self, path, query, body):
        if self.command == "GET" and path == "/sandbox":
            return 200, self.page(query)
        if self.command == "POST" and path == "/sandbox":
            asked = json.loads(body)
            self.server.created.append(asked)
            made = row(len(self.server.rows) + 1, name=asked["name"], labels=asked["labels"], status="PENDING")
            self.server.rows.append(made)
            return 200, made
        if self.command == "DELETE" and path == "/sandbox":
            wanted = json.loads(body)["sandbox_ids"]
            # Two batches come at once: no request may bring back what another has removed.
            gone = [each for each in list(self.server.rows) if each["id"] in wanted]
            for each in gone:
                self.server.rows.remove(each)
            return 200, {"succeeded": [each["id"] for each in gone], "failed": [], "message": "deleted"}
        if path == "/sandbox/status:batchGet":
            by_id = {each["id"]: each for each in self.server.rows}
            ids = json.loads(body)["sandbox_ids"]
            known = [{"sandbox_id": each, "status": by_id[each]["status"]} for each in ids if each in by_id]
            gone = [{"sandbox_id": each, "code": "NOT_FOUND"} for each in ids if each not in by_id]
            return 200, {"statuses": known, "errors": gone}
        if path.endswith("/logs"):
            return 200, {"logs": self.server.logs.get(path.split("/")[2], "")}
        found = next((each for each in self.server.rows if path == f"/sandbox/{each['id']}"), None)
        if found is None:
            return 404, {"detail": "no such sandbox"}
        if self.command == "DELETE":
            self.server.rows.remove(found)
            return 200, {"success": True, "message": "deleted"}
        return 200, found

    def page(self, query):
        number, size = int(query.get("page", ["1"])[0]), int(query.get("per_page", ["50"])[0])
        rows = [
            each
            for each in self.server.rows
            if not ("is_active" in query and each["status"] in FINISHED)
            and query.get("status", [each["status"]])[0] == each["status"]
            and set(query.get("labels", [])) <= set(each["labels"])
        ]
        shown = rows[(number - 1) * size : number * size]
        has_next = number * size < len(rows)
        return {"sandboxes": shown, "total": len(rows), "page": number, "perPage": size, "hasNext": has_next}

    def log_message(self, *_):
        pass


@contextmanager
def serve_fleet() -> Iterator[FleetServer]:
    server = FleetServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
