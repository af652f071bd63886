# A runtime that does what its event says.
#
# The event is an object. "do" is one of the functions below, whose arguments are the other
# members. The variable INIT says what happens before the first event: "exit", "error", "sleep" or
# "hooks" (to wait for a snapshot's release). With the variable TICKS it counts time in a thread.
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
BASE = "/2018-06-01/runtime/"
ticks = 0
calls = 0
last = None  # the status of the answer to the last answer
kept = []


def ask(method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(API)
    connection.request(method, BASE + path, body, headers or {})
    reply = connection.getresponse()
    data = reply.read()
    connection.close()
    return reply, data


def respond(request, value):
    global last
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    last = ask("POST", f"invocation/{request}/response", body)[0].status


class Stream:
    """An answer in chunks, over a bare socket."""

    def __init__(self, request):
        host, port = API.split(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.sendall(
            f"POST {BASE}invocation/{request}/response HTTP/1.1\r\nHost: {API}\r\n"
            "Lambda-Runtime-Function-Response-Mode: streaming\r\n"
            "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )

    def send(self, data):
        self.socket.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def end(self, trailers=()):
        global last
        lines = "".join(f"{name}: {value}\r\n" for name, value in trailers)
        self.socket.sendall(f"0\r\n{lines}\r\n".encode())
        last = int(self.socket.recv(4096).split()[1])
        self.socket.close()


def count():
    global ticks
    while True:
        ticks += 1
        time.sleep(0.002)


def echo(request, head, event):
    respond(
        request,
        {
            "event": event,
            "pid": os.getpid(),
            "calls": calls,
            "ticks": ticks,
            "last": last,
            "argv": sys.argv[1:],
            "cwd": os.getcwd(),
            "head": {name.lower(): value for name, value in head},
            "environment": dict(os.environ),
        },
    )


def fail(request, head, kind="Test.Failed"):
    body = json.dumps({"errorType": kind, "errorMessage": "on purpose"})
    ask("POST", f"invocation/{request}/error", body, {"Lambda-Runtime-Function-Error-Type": kind})


def stream(request, head, parts, pause=0, error=None):
    answer = Stream(request)
    for part in parts:
        answer.send(part.encode())
        time.sleep(pause)
    if error is None:
        answer.end()
    else:
        # base64 of {"errorType":"x"}
        body = "eyJlcnJvclR5cGUiOiJ4In0="
        answer.end(
            [
                ("Lambda-Runtime-Function-Error-Type", error),
                ("Lambda-Runtime-Function-Error-Body", body),
            ]
        )


def die(request, head, status=3, after=(), whole=False):
    if whole:
        respond(request, "all of it")
    if after:
        answer = Stream(request)
        for part in after:
            answer.send(part.encode())
    os._exit(status)


def kill(request, head):
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(request, head, seconds, answer=False):
    if answer:
        respond(request, "before")
    time.sleep(seconds)
    if not answer:
        respond(request, "slept")


def big(request, head, size, streamed=False):
    if not streamed:
        respond(request, b'"' + b"x" * (size - 2) + b'"')
        return
    answer = Stream(request)
    part = b"x" * (1 << 20)
    while size > 0:
        answer.send(part[: min(size, len(part))])
        size -= len(part)
    answer.end()


def allocate(request, head, megabytes, hold=0.0):
    kept.append(bytearray(os.urandom(1 << 20)) * megabytes)
    time.sleep(hold)
    respond(request, "allocated")


def write(request, head, text="", disk=0):
    sys.stdout.write(text)
    sys.stdout.flush()
    if disk:
        with open(os.environ["TMPDIR"] + "/file", "wb") as file:
            file.write(b"x" * disk)
    respond(request, "written")


def descend(request, head):
    """A child, one of another session, and one whose parent is gone at once."""
    import subprocess

    line = "import time\nwhile True: time.sleep(0.01)"
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    command = [sys.executable, "-SE", "-c", line]
    child = subprocess.Popen(command, **options)
    session = subprocess.Popen(command, start_new_session=True, **options)
    orphan = subprocess.run(
        [
            sys.executable,
            "-SE",
            "-c",
            "import subprocess, sys\n"
            f"print(subprocess.Popen({command!r}, start_new_session=True, stdout=2).pid)",
        ],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    kept.extend([child, session])
    respond(request, [os.getpid(), child.pid, session.pid, int(orphan.stdout)])


def meet(request, head, folder, count):
    """Waits until as many calls as that are here at once."""
    open(f"{folder}/{os.getpid()}", "w").close()
    while len(os.listdir(folder)) < count:
        time.sleep(0.2)
    respond(request, "met")


def main():
    global calls
    if "TICKS" in os.environ:
        threading.Thread(target=count, daemon=True).start()
    print("init", flush=True)
    init = os.environ.get("INIT")
    if init == "exit":
        sys.exit(7)
    if init == "error":
        body = json.dumps({"errorType": "Test.Init", "errorMessage": "can't start"})
        ask("POST", "init/error", body, {"Lambda-Runtime-Function-Error-Type": "Test.Init"})
        sys.exit(1)
    if init == "sleep":
        time.sleep(60)
    if init == "hooks":
        ask("GET", "restore/next")
        print("restored", flush=True)
    while True:
        reply, data = ask("GET", "invocation/next")
        request = reply.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.loads(data)
        calls += 1
        action = event.pop("do", "echo") if isinstance(event, dict) else "echo"
        if action == "echo":
            echo(request, reply.getheaders(), event)
        else:
            globals()[action](request, reply.getheaders(), **event)


main()
