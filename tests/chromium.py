"""A page in headless Chromium, driven over its debugging protocol: what a reader's browser does."""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import time

import pytest
from tornado.websocket import websocket_connect

PHONE = 380  # pixels
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find():
    """Path of a Chromium; without one the test is skipped and says so."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip("needs Chromium: apt-get install chromium")


class Page:
    """One tab: commands go out, events are kept."""

    def __init__(self, socket):
        self.socket, self.last, self.events = socket, 0, []

    async def call(self, method, **parameters):
        self.last += 1
        await self.socket.write_message(
            json.dumps({"id": self.last, "method": method, "params": parameters})
        )
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.read_message(), 60))
            if message.get("id") == self.last:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    async def run(self, script):
        """Return the value of a JavaScript expression."""
        found = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def open(self, path, width=1200, dark=False):
        """Load a file with the network off, at a width in pixels and in one theme."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", features=scheme)
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=width <= PHONE,
        )  # fmt: skip
        await self.call("Page.navigate", url=path.as_uri())
        for _ in range(200):
            if await self.run("document.readyState") == "complete":
                return
            await asyncio.sleep(0.05)
        raise TimeoutError(f"{path} did not load")

    async def picture(self, path):
        """Write the whole page as PNG."""
        found = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def complaints(self):
        """Return console errors, exceptions, dialogs, and requests that leave the page."""
        bad = {"Runtime.exceptionThrown", "Page.javascriptDialogOpening"}
        found = [event for event in self.events if event["method"] in bad]
        for event in self.events:
            facts = event["params"]
            if event["method"] == "Log.entryAdded" and facts["entry"]["level"] == "error":
                found.append(event)
            if event["method"] == "Runtime.consoleAPICalled" and facts["type"] == "error":
                found.append(event)
            if event["method"] == "Network.requestWillBeSent":
                if not facts["request"]["url"].startswith(("file:", "data:")):
                    found.append(event)
        return found


@contextlib.contextmanager
def started(folder):
    """Start Chromium with its profile in `folder`; yield the address of its one tab."""
    command = [find(), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-dev-shm-usage"]
    command += ["--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = folder / "DevToolsActivePort"
        deadline = time.monotonic() + 600
        while not (port.exists() and port.read_text().count("\n")):
            assert time.monotonic() < deadline and process.poll() is None, "Chromium did not start"
            time.sleep(0.05)
        yield port.read_text().split()
    finally:
        process.terminate()
        process.wait(timeout=300)


def drive(folder, work):
    """Run the coroutine function `work(page)` in a fresh Chromium and return what it returns."""

    async def session(port, path):
        browser = await websocket_connect(f"ws://127.0.0.1:{port}{path}", max_message_size=2**28)
        tab = (await Page(browser).call("Target.createTarget", url="about:blank"))["targetId"]
        address = f"ws://127.0.0.1:{port}/devtools/page/{tab}"
        page = Page(await websocket_connect(address, max_message_size=2**28))
        for domain in ("Page", "Runtime", "Log", "Network"):
            await page.call(f"{domain}.enable")
        await page.call(
            "Network.emulateNetworkConditions",
            offline=True, latency=0, downloadThroughput=0, uploadThroughput=0,
        )  # fmt: skip
        try:
            return await work(page)
        finally:
            page.socket.close()
            browser.close()

    with started(folder) as (port, path):
        return asyncio.run(session(port, path))
