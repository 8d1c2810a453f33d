"""One visit by the Python SDK: lists the tools, makes two calls, and prints what
came back as one line of JSON. Arguments: URL, token, the two calls."""

import asyncio
import json
import sys

from mcp import Client, MCPError
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client


async def call(client, text):
    wanted = json.loads(text)
    try:
        result = await client.call_tool(wanted["name"], wanted["arguments"])
        return {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}
    except MCPError as error:
        return {"error": {"code": error.code, "message": error.message}}


async def visit(url, token, first, second):
    headers = {"Authorization": f"Bearer {token}"}
    async with create_mcp_http_client(headers=headers) as http_client:
        transport = streamable_http_client(url, http_client=http_client)
        async with Client(transport) as client:
            listed = await client.list_tools()
            print(
                json.dumps(
                    {
                        "tools": [tool.name for tool in listed.tools],
                        "first": await call(client, first),
                        "second": await call(client, second),
                    }
                )
            )


asyncio.run(visit(*sys.argv[1:]))
