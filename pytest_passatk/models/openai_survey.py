"""What servers say of themselves before they are asked."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from pytest_passatk.core.errors import ModelError
from pytest_passatk.core.names import name_some
from pytest_passatk.models.openai_dialect import ANY, DIALECTS
from pytest_passatk.models.openai_failure import Remedy, classify
from pytest_passatk.models.openai_server import Server
from pytest_passatk.models.openai_settings import Settings

SILENT = frozenset({404, 405, 501})  # a server need not list its models


async def survey(servers: Sequence[Server], settings: Settings) -> None:
    """Ask all servers at once what they serve; one that does not answer is dead after that.

    Raises:
        ModelError: none of them answers, one refuses the key, or one does not serve a model that the run asks for.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            for server in servers:
                tasks.create_task(_look(server, settings))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    if all(server.dead for server in servers):
        causes = "; ".join(f"{server}: {server.dead}" for server in servers)
        raise ModelError(f"no server answers: {causes}. Start one there, or correct --base-url")


async def _look(server: Server, settings: Settings) -> None:
    async with server:
        listed = _models(await _get(server, "/models", settings))
        if server.dead or listed is None:
            return
        server.listed = listed
        owner = next((str(entry.get("owned_by")) for entry in listed.values()), "")
        dialect = DIALECTS.get(owner, ANY)
        if dialect.strict:
            _check(server, listed, settings)
        lengths = [listed[name].get("max_model_len") for name in settings.models.values() if name in listed]
        server.manners = replace(server.manners, dialect=dialect, context=min(filter(None, lengths), default=None))
        if dialect.name == "vllm":
            found = await _get(server, "/version", settings, root=True)
            server.version = f"vllm {found['version']}" if isinstance(found, dict) and "version" in found else "vllm"


async def _get(server: Server, path: str, settings: Settings, *, root: bool = False) -> Any:
    """What is found at a path, or `None`; a server that cannot be reached, or stays busy, is dead after that."""
    for attempt in count(1):
        try:
            return await server.get(path, root=root)
        except ValueError:  # no JSON: something else lives there
            return None
        except Exception as error:  # noqa: BLE001 - classified, so that no key is in its words
            failure = classify(error, settings.secrets)
        if failure.remedy is Remedy.LEAVE or failure.status in SILENT:
            return None
        if failure.remedy is Remedy.STOP:
            raise ModelError(f"{server}: {failure.words}")
        if failure.status is None or attempt > settings.retries:
            server.dead = failure.words
            return None
        await asyncio.sleep(server.delay(failure, attempt))
    return None


def _models(listed: Any) -> dict[str, Mapping[str, Any]] | None:
    """The models of a list by name, or `None` where it has another form."""
    data = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(data, list):
        return None
    return {str(entry["id"]): entry for entry in data if isinstance(entry, dict) and "id" in entry}


def _check(server: Server, listed: Mapping[str, Any], settings: Settings) -> None:
    """Raises ModelError where a server does not list what the run asks for."""
    for name in settings.models.values():
        if name not in listed:
            raise ModelError(f"{server} does not serve {name!r}, but {name_some(listed)}; name one of these")
