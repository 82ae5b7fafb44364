"""A stand-in for Kaggle's server on loopback, for the real client to talk to."""

import contextlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER = "tester"


class StandIn:
    """What the server holds, and how it is to fail.

    Attributes
    ----------
    archive : bytes
        The competition's files.
    failures : list of (str, int, str)
        Method, HTTP status and message; each is used once, in order.
    cut : int
        How many times the download is cut in the middle.
    calls : list of (str, dict)
        Method and body of each request that came.
    """

    def __init__(self):
        self.url, self.archive, self.failures, self.cut = "", b"", [], 0
        self.calls, self.uploads, self.datasets, self.submissions = [], [], {}, []
        self.polls_until_scored, self.lost_status = 1, 404
        self.kernel_states = ["RUNNING", "COMPLETE"]

    def failure(self, method):
        for i, (name, status, message) in enumerate(self.failures):
            if name == method:
                del self.failures[i]
                return status, message
        return None

    def called(self, method):
        return [body for name, body in self.calls if name == method]

    def answer(self, method, body):
        """Return the JSON answer of a method."""
        if method == "IntrospectToken":
            return {"active": True, "username": USER}
        if method == "GetDatasetStatus":
            ref = f"{body['ownerSlug']}/{body['datasetSlug']}"
            return {"status": "READY"} if ref in self.datasets else None
        if method == "StartBlobUpload":
            return {
                "token": f"blob-{body['name']}",
                "createUrl": f"{self.url}/upload/{body['name']}",
            }
        if method in ("CreateDataset", "CreateDatasetVersion"):
            body = body.get("body", {}) | body
            owner = body["ownerSlug"]
            ref = f"{owner}/{body.get('slug') or body.get('datasetSlug')}"
            self.datasets[ref] = [file["token"] for file in body["files"]]
            return {"ref": ref, "url": "/d", "status": "ok", "error": ""}
        if method == "SaveKernel":
            return {"ref": body["slug"], "url": "/k", "versionNumber": 3}
        if method == "GetKernelSessionStatus":
            return {"status": self.kernel_states.pop(0)}
        if method == "StartSubmissionUpload":
            return {"token": "t", "createUrl": f"{self.url}/upload/{body['fileName']}"}
        if method in ("CreateCodeSubmission", "CreateSubmission"):
            self.submissions.append({"description": body["submissionDescription"], "polls": 0})
            return {"message": "Successfully submitted", "ref": len(self.submissions)}
        if method == "ListSubmissions":
            return {"submissions": [self._row(i, s) for i, s in enumerate(self.submissions)]}
        return {}

    def _row(self, number, submission):
        submission["polls"] += 1
        scored = submission["polls"] > self.polls_until_scored
        row = {"ref": number, "fileName": "submission.csv", "date": "2026-01-01T00:00:00Z"}
        row |= {"description": submission["description"]}
        row |= {"status": "COMPLETE" if scored else "PENDING"}
        return row | {"publicScore": "1.0123" if scored else "", "privateScore": ""}


# The command line passes its production address explicitly, so no variable moves it: here every
# address of the real client becomes the stand-in's before it starts, and no other is let through.
LAUNCHER = """#!{python}
import socket
import sys

connect = socket.socket.connect


def only_loopback(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise OSError(f"a test called {{address}}")
    return connect(self, address)


socket.socket.connect = only_loopback
from kagglesdk import kaggle_env

for name in kaggle_env._env_to_endpoint:
    kaggle_env._env_to_endpoint[name] = "{url}"
from kaggle.cli import main

main()
"""


def install(folder, url):
    """Write the `kaggle` program that talks to the stand-in."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kaggle").write_text(LAUNCHER.format(python=sys.executable, url=url))
    (folder / "kaggle").chmod(0o755)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(raw or b"{}")
        method = self.path.rpartition("/")[2]
        state = self.server.state
        state.calls.append((method, body))
        failure = state.failure(method)
        if failure:
            return self.reply(failure[0], {"code": failure[0], "message": failure[1]})
        if method == "DownloadDataFiles":
            self.send_response(302)
            self.send_header("Location", f"{state.url}/files/archive.zip")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        found = state.answer(method, body)
        if found is None:
            status = state.lost_status if method.startswith("Create") else 404
            return self.reply(status, {"code": status, "message": f"{status} Server Error"})
        return self.reply(200, found)

    def do_GET(self):
        state, data = self.server.state, self.server.state.archive
        state.calls.append(("GET", {"range": self.headers.get("Range")}))
        first = 0
        if self.headers.get("Range"):
            first = int(self.headers["Range"].partition("=")[2].partition("-")[0])
        self.send_response(206 if first else 200)
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(len(data) - first))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"one"')
        self.end_headers()
        part = data[first:]
        if state.cut:
            state.cut -= 1
            part = part[: len(part) // 2]
            self.close_connection = True
        self.wfile.write(part)

    def do_PUT(self):
        size = int(self.headers.get("Content-Length") or 0)
        self.server.state.uploads.append((self.path.rpartition("/")[2], self.rfile.read(size)))
        self.reply(200, {})

    def reply(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving():
    """Serve until the block ends; yield the state."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.state = StandIn()
    server.state.url = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
