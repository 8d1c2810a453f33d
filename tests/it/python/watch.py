"""`approvals watch` in a real terminal: types what the test says once the screen shows what the test
waits for. Arguments: a JSON list of steps (`{"show": text}`, `{"type": text}`, or `{"touch": path}`, which makes
a file that the test waits for), then the command.
Prints the last screen as JSON; a step that is not met in time ends it with 1."""
import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import time

# Less than whoever runs this waits for, so that it can say what it saw.
PATIENCE_SECONDS = 20
steps = json.loads(sys.argv[1])
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))

screen = ""


def read(seconds):
    """Takes what the terminal got; False at its end."""
    global screen
    ready, _, _ = select.select([terminal], [], [], seconds)
    if not ready:
        return True
    try:
        got = os.read(terminal, 65536)
    except OSError:
        return False
    if not got:
        return False
    screen += got.decode("utf-8", "replace")
    # What counts is the last whole picture: it begins at the upper left corner.
    at = screen.rfind("\x1b[H")
    if at > 0:
        screen = screen[at:]
    return True


def plain():
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen)


failed = None
for step in steps:
    if "type" in step:
        os.write(terminal, step["type"].encode())
        continue
    if "touch" in step:
        open(step["touch"], "w").close()
        continue
    by = time.monotonic() + PATIENCE_SECONDS
    alive = True
    while step["show"] not in plain():
        if not alive or time.monotonic() > by:
            failed = step["show"]
            break
        alive = read(0.2)
    if failed:
        break

by = time.monotonic() + PATIENCE_SECONDS
while failed is None and time.monotonic() < by and read(0.2):
    pass
shown = plain()
if failed is not None:
    os.kill(child, 15)
_, status = os.waitpid(child, 0)
code = os.waitstatus_to_exitcode(status)
print(json.dumps({"failed": failed, "code": code, "screen": shown}))
sys.exit(1 if failed else 0)
