"""A held call by the Python SDK: prints the task or the link that it gets, then what the call returned;
one line of JSON each. Arguments: URL, token, what it takes (tasks, links), era. A client that takes tasks
asks for its task again when it reads a line, after the call returned."""

import asyncio
import json
import sys
from typing import Any, Literal

from mcp import Client, MCPError
from mcp.client.extension import ClientExtension, ResultClaim
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp_types import CallToolResult, ElicitResult, Request, RequestParams, Result

# Less than whoever runs this waits for.
POLLS_MAX = 400


def say(news):
    print(json.dumps(news), flush=True)


class Created(Result):
    result_type: Literal["task"] = "task"
    task_id: str
    status: str


class OfTask(RequestParams):
    task_id: str


class GetTask(Request[OfTask, Literal["tasks/get"]]):
    method: Literal["tasks/get"] = "tasks/get"
    params: OfTask
    name_param = "taskId"


class State(Result):
    result_type: str = "complete"
    task_id: str
    status: str
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class Tasks(ClientExtension):
    """The tasks extension, by what the SDK has for extensions: it asks until the task has ended."""

    identifier = "io.modelcontextprotocol/tasks"
    task = None

    def claims(self):
        return [ResultClaim(result_type="task", model=Created, resolve=self.resolve)]

    async def ask(self, session):
        return await session.send_request(GetTask(params=OfTask(task_id=self.task)), State)

    async def resolve(self, created, context):
        self.task = created.task_id
        say({"task": self.task, "status": created.status})
        for _ in range(POLLS_MAX):
            state = await self.ask(context.session)
            if state.status != "working":
                break
            await asyncio.sleep(0.05)
        say({"status": state.status, "error": state.error})
        return CallToolResult.model_validate(state.result)


async def accept(_context, request):
    say({"link": request.url, "mode": request.mode})
    return ElicitResult(action="accept")


async def line():
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def visit(url, token, takes, era):
    headers = {"Authorization": f"Bearer {token}"}
    tasks = Tasks()
    wanted = {"extensions": [tasks]} if takes == "tasks" else {"elicitation_callback": accept}
    async with create_mcp_http_client(headers=headers) as http_client:
        transport = streamable_http_client(url, http_client=http_client)
        mode = "legacy" if era == "legacy" else "auto"
        async with Client(transport, mode=mode, **wanted) as client:
            result = await client.call_tool("delete_all", {"scope": "a"})
            say({"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)})
            while takes == "tasks" and await line():
                try:
                    say({"again": (await tasks.ask(client.session)).result})
                except MCPError as error:
                    say({"error": error.message})


asyncio.run(visit(*sys.argv[1:]))
