#!/usr/bin/env python3
"""Uploads a CSV of image URLs, waits until its images are processed, and downloads the result CSV.

    python3 process.py products.csv results.csv        (Python 3.8 or later; no package is needed)

BASE_URL         where Pressrun is (http://127.0.0.1:3000)
API_KEY          one of its API_KEYS, if it has any
OPTIONS          how images are processed, as a query: OPTIONS='format=webp&quality=80'
TIMEOUT_SECONDS  how long to wait at most (3600)

Ends with 0: every image has an output. 1: some have none. 2: refused. 3: paused, or not ended in time.
"""
import json
import os
import sys
import time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

BASE_URL = os.environ.get("BASE_URL", "http://127.0.0.1:3000")
API_KEY = os.environ.get("API_KEY")
REQUEST_SECONDS = 300


class NotEnded(Exception):
    """The batch has not ended, and people have to decide whether to wait longer."""


def call(url, body=None, content_type=None):
    """The answer's headers and bytes; an HTTPError where the service refuses."""
    request = Request(url, data=body)
    if content_type:
        request.add_header("Content-Type", content_type)
    if API_KEY:
        request.add_header("Authorization", f"Bearer {API_KEY}")
    with urlopen(request, timeout=REQUEST_SECONDS) as response:
        return response.headers, response.read()


def upload(path, options=""):
    # The body is the file itself, sent as it is read; the options stand in the query.
    with open(path, "rb") as csv:
        return json.loads(call(f"{BASE_URL}/v1/batches?{options}", csv, "text/csv")[1])


def wait_for_completion(batch, deadline_seconds, on_progress=lambda now: None):
    """Looks, as often as the service asks for, until the batch has ended."""
    deadline = time.monotonic() + deadline_seconds
    while True:
        headers, body = call(batch["links"]["self"])
        now = json.loads(body)
        on_progress(now)
        if now["finishedAt"]:
            return now
        if now["pausedAt"]:
            raise NotEnded(f"paused: {now['pauseReason']} Resume it with POST {now['links']['self']}/resume")
        if time.monotonic() >= deadline:
            raise NotEnded(f"not ended in time; it goes on, look at {now['links']['self']}")
        time.sleep(int(headers.get("Retry-After", 1)))


def explain(error):
    """Every error of the API is a problem (RFC 9457): `code` is for programs, `detail` for people."""
    problem = json.loads(error.read())
    lines = [f"refused ({problem['code']}): {problem['detail']}"]
    for one in problem.get("errors", []):
        place = f"line {one['line']}" if "line" in one else one["field"]
        lines.append(f"  {place}: {one['message']}")
    return "\n".join(lines)


def main(csv_path, results_path="results.csv"):
    accepted = upload(csv_path, os.environ.get("OPTIONS", ""))
    print(f"accepted: {accepted['products']} products with {accepted['progress']['total']} images, {accepted['links']['self']}", file=sys.stderr)
    deadline = int(os.environ.get("TIMEOUT_SECONDS", 3600))
    batch = wait_for_completion(accepted, deadline, lambda now: print(f"{now['progress']['percent']} %", file=sys.stderr))
    with open(results_path, "wb") as results:
        results.write(call(batch["links"]["resultsCsv"])[1])
    progress = batch["progress"]
    print(f"{batch['status']}: {progress['completed']} images completed, {progress['failed']} failed; see {results_path}")
    return 0 if progress["completed"] == progress["total"] else 1


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: process.py products.csv [results.csv]")
    try:
        sys.exit(main(*sys.argv[1:]))
    except HTTPError as error:
        print(explain(error), file=sys.stderr)
        sys.exit(2)
    except (OSError, URLError) as error:
        print(f"{BASE_URL} or {sys.argv[1]} cannot be reached: {error}", file=sys.stderr)
        sys.exit(2)
    except NotEnded as error:
        print(error, file=sys.stderr)
        sys.exit(3)
