"""Hooks: commands of a scenario, such as one that restarts the app; run only when allowed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sessctl.errors import HttpError, UsageError
from sessctl.replay.message import Request
from sessctl.timespec import format_duration

if TYPE_CHECKING:
    from sessctl.replay.http import HttpClient
    from sessctl.replay.scenario import Hook
    from sessctl.replay.url import Url

_PAUSE_S = 0.1


async def run_hook(hook: Hook, ready: Url | None, client: HttpClient) -> None:
    """Run the command, without a shell and without input, and wait until the app answers again.

    Raises:
        UsageError: it cannot be started or ends with an error.
        HttpError: it takes too long, or `ready` does not answer below 500 in time.
    """
    try:
        async with asyncio.timeout(hook.within_s):
            await _run(hook)
            while ready is not None and not await _answers(client, ready):
                await asyncio.sleep(_PAUSE_S)
    except TimeoutError:
        span = format_duration(hook.within_s)
        raise HttpError("hook", f"the hook '{hook.name}' was not done within {span}") from None


async def _run(hook: Hook) -> None:
    null = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(
            *hook.run, stdin=null, stdout=null, stderr=null
        )
    except OSError as exc:
        reason = (exc.strerror or "error").lower()
        raise UsageError(f"cannot run {hook.run[0]} ({reason})") from None
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if code:
        raise UsageError(f"the hook '{hook.name}' ended with code {code}")


async def _answers(client: HttpClient, ready: Url) -> bool:
    try:
        return (await client.send(Request("GET", ready))).status < 500
    except HttpError:
        return False
