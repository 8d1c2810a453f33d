"""An agent by the Python SDK that does what the test types: one line of JSON each way, as
`npm/driven.mjs`. Arguments: URL, token, era."""

import asyncio
import json
import sys

from mcp import Client, MCPError
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client


def say(news):
    print(json.dumps(news), flush=True)


async def call(client, command):
    key = command["key"]

    async def progress(value, _total, message):
        say({"key": key, "progress": value, "message": message})

    wanted = {"progress_callback": progress} if command.get("progress") else {}
    try:
        result = await client.call_tool("delete_all", {"scope": command["scope"]}, **wanted)
        say({"key": key, "result": result.model_dump(mode="json", by_alias=True, exclude_none=True)})
    except MCPError as error:
        say({"key": key, "error": error.message})
    except asyncio.CancelledError:
        say({"key": key, "error": "cancelled"})
        raise


async def drive(url, token, era):
    headers = {"Authorization": f"Bearer {token}"}
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with create_mcp_http_client(headers=headers) as http_client:
        transport = streamable_http_client(url, http_client=http_client)
        async with Client(transport, mode="legacy" if era == "legacy" else "auto") as client:
            say({"ready": True})
            running = {}
            while line := await lines.readline():
                command = json.loads(line)
                if command["do"] == "call":
                    running[command["key"]] = asyncio.create_task(call(client, command))
                elif command["do"] == "cancel":
                    running[command["key"]].cancel()
                else:
                    break


asyncio.run(drive(*sys.argv[1:]))
