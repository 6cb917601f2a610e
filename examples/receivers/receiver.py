#!/usr/bin/env python3
"""A receiver of Pressrun's webhooks with nothing but Python's standard library (3.8 or later).

    WEBHOOK_SECRET=whsec_… python3 receiver.py
"""
import base64
import hashlib
import hmac
import json
import os
import queue
import re
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Two secrets with a comma between while a new one replaces an old one; see "Another secret" in docs/webhooks.md.
# b64decode needs the padding, which some tools leave out, and ignores what is too much.
KEYS = [base64.b64decode(re.sub("^whsec_", "", secret.strip()) + "==") for secret in os.environ.get("WEBHOOK_SECRET", "").split(",")]
TOLERANCE_SECONDS = 5 * 60
# An event has a few kilobytes, some 35 with much metadata; with webhookPayload=seed at most 100,000 bytes.
BODY_BYTES_MAX = 256 * 1024
IDS_MAX = 10_000

# Known until a restart, to one process. A table with webhook-id as its primary key lasts, and serves all processes.
seen = {}
lock = threading.Lock()
jobs = queue.Queue(maxsize=1_000)


class Receiver(BaseHTTPRequestHandler):
    # So that a sender that stops in the middle of its message holds a thread no longer.
    timeout = 10

    def do_POST(self):
        length = self.headers.get("content-length", "")
        if not re.fullmatch("[0-9]{1,12}", length):
            return self.answer(411, "a content-length is needed")
        if int(length) > BODY_BYTES_MAX:
            self.answer(413, f"at most {BODY_BYTES_MAX} bytes are taken")
            # The body is read all the same, or the sender would see a reset instead of the answer.
            self.rfile.read(min(int(length), 4 * BODY_BYTES_MAX))
            return None
        # The signature is of the bytes as they came, so that JSON is parsed only after it is verified.
        body = self.rfile.read(int(length))
        fault = find_fault(self.headers, body)
        if fault:
            return self.answer(401, fault)
        message_id = self.headers["webhook-id"]
        with lock:
            # A repetition is answered like the first, whose answer may have been lost on the way.
            if message_id not in seen:
                try:
                    jobs.put_nowait(json.loads(body))
                except queue.Full:
                    return self.answer(503, "too much to do; send it again")
                seen[message_id] = True
                if len(seen) > IDS_MAX:
                    del seen[next(iter(seen))]
        # First the answer, then the work: after 20 s without an answer Pressrun sends it again.
        return self.answer(204)

    def answer(self, status, text=""):
        self.send_response(status)
        self.send_header("content-type", "text/plain")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


def find_fault(headers, body):
    """Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`. The header can hold several signatures, of which one must be right."""
    message_id, timestamp, signatures = (headers.get(name, "") for name in ("webhook-id", "webhook-timestamp", "webhook-signature"))
    # An id with a dot in it could shift what is signed from one part to the next.
    if not (re.fullmatch("[A-Za-z0-9_-]{1,100}", message_id) and re.fullmatch("[0-9]{1,12}", timestamp) and signatures):
        return "webhook-id, webhook-timestamp and webhook-signature are needed"
    # So that whoever recorded a message cannot send it again next week.
    if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return "the message is older or newer than five minutes"
    signed = f"{message_id}.{timestamp}.".encode() + body
    for key in KEYS:
        expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
        # compare_digest, so that the time that it takes tells nothing of how much was right.
        if any(hmac.compare_digest(expected, signature.encode()) for signature in signatures.split(" ")):
            return None
    return "the signature is not right"


def handle(event):
    """Your own work. What must survive a crash goes into a queue or a table before the answer."""
    data = event["data"]
    if event["type"] not in ("batch.completed", "batch.failed", "batch.cancelled"):
        return
    with urllib.request.urlopen(data["outputCsvUrl"], timeout=60) as result, open(f"{data['requestId']}.csv", "wb") as file:
        file.write(result.read())
    print(f"{event['type']} {data['requestId']}: {data['progress']['completed']} of {data['progress']['total']} images", flush=True)


def work():
    while True:
        try:
            handle(jobs.get())
        except Exception as error:  # one message that cannot be worked does not stop the others
            print(f"failed: {error}", flush=True)


if __name__ == "__main__":
    # With an empty key anybody could sign.
    if any(len(key) < 24 for key in KEYS):
        raise SystemExit("Set WEBHOOK_SECRET to what signs your webhooks: base64 of 24 bytes or more.")
    threading.Thread(target=work, daemon=True).start()
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Receiver)
    print(f"listens on http://127.0.0.1:{server.server_port}/hooks", flush=True)
    server.serve_forever()
