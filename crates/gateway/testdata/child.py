"""A small MCP server on stdio for the tests. The first argument says what it speaks, the name of a tool what it does."""

import json
import os
import signal
import socket
import subprocess
import sys

MODE = sys.argv[1]
seen = []
waiting = []
discovered = []


def write(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def send(**message):
    write(json.dumps({"jsonrpc": "2.0", **message}))


def result(request, **members):
    send(id=request["id"], result=members)


def error(request, code, message="no"):
    send(id=request["id"], error={"code": code, "message": message})


def hello(request):
    if MODE in ("modern", "neither") or discovered:
        return error(request, -32022)
    asked = request["params"]["protocolVersion"]
    declared = request["params"]["capabilities"]
    result(
        request,
        protocolVersion=asked if MODE != "old" else "2025-03-26",
        capabilities={"tools": {"listChanged": True}, "declared": declared},
        serverInfo={"name": "child", "version": str(os.getpid())},
    )


def discover(request):
    if MODE == "dies":
        sys.exit(1)
    if MODE == "deaf":
        # Says only to who looks on that it was asked.
        return open(sys.argv[2], "x").close()
    if MODE not in ("modern", "both", "sdk"):
        return error(request, -32601)
    if MODE == "sdk":
        # From here on this process is stateless; another one can still be in a handshake session.
        discovered.append(True)
    versions = ["2026-07-28"] + (["2025-11-25"] if MODE == "both" else [])
    result(request, supportedVersions=versions, resultType="complete")


def call(request):
    name = request["params"]["name"]
    meta = request["params"].get("_meta", {})
    if name == "echo":
        return result(request, line=request["line"], pid=os.getpid())
    if name == "spelling":
        return write('{ "id" : %s , "result":{"n":1.50e2, "u":"\\u0041", "z":1, "a":2},"jsonrpc":"2.0"}' % json.dumps(request["id"]))
    if name == "progress":
        for n in range(3):
            send(method="notifications/progress", params={"progressToken": meta["progressToken"], "progress": n})
        return result(request)
    if name == "die":
        sys.stderr.write("dying\n")
        os._exit(3)
    if name == "last-words":
        result(request, last=True)
        os._exit(0)
    if name == "hold":
        return waiting.append(request)
    if name == "release":
        for held in waiting:
            result(held)
        waiting.clear()
        return result(request)
    if name == "noise":
        write("Listening on port 80")
        write("{\"jsonrpc\":")
        write("[]")
        write('{"jsonrpc":"2.0","id":999999,"result":{}}')
        write('{"jsonrpc":"2.0","id":"x","result":{}}')
        write('{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":777,"progress":1}}')
        write('{"jsonrpc":"2.0","method":"a"}{"jsonrpc":"2.0","method":"b"}')
        sys.stderr.write("e" * 100000 + "\n\x1b[2J\n")
        sys.stderr.flush()
        sys.stdout.write("\r\n\n")
        return result(request)
    if name == "huge":
        sys.stdout.write("x" * 3_000_000)
        return sys.stdout.flush()
    if name == "facts":
        return result(request, env=sorted(os.environ), path=os.environ.get("PATH"), argv=sys.argv[2:], leads=os.getpgid(0) == os.getpid(), pid=os.getpid())
    if name == "fork":
        stubborn = "import signal,time;signal.signal(signal.SIGTERM,signal.SIG_IGN);print(1,flush=True);time.sleep(600)"
        child = subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE)
        child.stdout.readline()
        return result(request, pid=child.pid)
    if name == "splice-out":
        silent, _other = socket.socketpair()
        sys.stdout.write("noise\n" * 100000)
        sys.stdout.flush()
        # Nothing ever comes from the socket, and meanwhile the kernel keeps stdout locked.
        os.splice(silent.fileno(), 1, 65536)
    if name == "splice-in":
        full, _other = socket.socketpair()
        full.setblocking(False)
        for size in (65536, 1):
            try:
                while True:
                    full.send(b"x" * size)
            except BlockingIOError:
                pass
        full.setblocking(True)
        # Nobody reads the socket, and meanwhile the kernel keeps stdin locked.
        os.splice(0, full.fileno(), 65536)
    if name == "escape":
        return result(request, pid=subprocess.Popen(["/bin/sleep", "600"], start_new_session=True).pid)
    if name == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return result(request, pid=os.getpid())
    if name == "ask":
        waiting.append(request)
        return send(id="ask-1", method=request["params"]["arguments"]["method"], params={"message": "?", "_meta": {"progressToken": "asking"}})
    if name == "changed":
        for _ in range(1000):
            send(method="notifications/tools/list_changed")
        return result(request)
    if name == "updated":
        send(method="notifications/resources/updated", params={"uri": "a://1"})
        return result(request)
    if name == "seen":
        return result(request, seen=seen)
    error(request, -32602, "Unknown tool: " + name)


def page(request):
    at = int(request["params"].get("cursor", "0"))
    if MODE == "loop":
        return result(request, tools=[], nextCursor="1")
    if MODE == "endless":
        return result(request, tools=[{"name": "t"}] * 100, nextCursor=str(at + 1))
    more = {"nextCursor": str(at + 1)} if at < 2 else {}
    result(request, tools=[{"name": "t%d" % at, "inputSchema": {"type": "object"}}], **more)


def listen(request):
    mark = {"_meta": {"io.modelcontextprotocol/subscriptionId": request["id"]}}
    send(method="notifications/subscriptions/acknowledged", params=mark)
    send(method="notifications/tools/list_changed", params=mark)
    result(request, **mark)


HANDLERS = {
    "initialize": hello,
    "server/discover": discover,
    "tools/call": call,
    "tools/list": page,
    "subscriptions/listen": listen,
    "resources/subscribe": result,
    "resources/unsubscribe": result,
    "ping": result,
}

if MODE == "mute":
    signal.pause()

for line in sys.stdin:
    message = json.loads(line)
    if "method" not in message:
        asked = waiting.pop()
        result(asked, answer=message)
    elif "id" not in message:
        seen.append(message)
    else:
        message["line"] = line
        HANDLERS.get(message["method"], lambda request: error(request, -32601))(message)
