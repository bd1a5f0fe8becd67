"""Scopes of the applications: http, lifespan, and an error for unknown ones."""

import pytest
from channels.testing import ApplicationCommunicator

import chat_project.asgi
import examples.asgi
import examples.plain
from tests.examples.conftest import SERVERS, SharedExample, StartExample

APPLICATIONS = [
    pytest.param(module.application, id=module.__name__)
    for module in (examples.asgi, examples.plain, chat_project.asgi)
]


@pytest.mark.parametrize("application", APPLICATIONS)
async def test_an_unknown_scope_type_is_named_in_the_error(application: object) -> None:
    with pytest.raises(ValueError, match="'telepathy'"):
        await ApplicationCommunicator(application, {"type": "telepathy"}).wait()


@pytest.mark.parametrize("application", APPLICATIONS)
@pytest.mark.usefixtures("memory_layer")
async def test_lifespan_is_answered(application: object) -> None:
    server = ApplicationCommunicator(application, {"type": "lifespan"})
    for phase in ("startup", "shutdown"):
        await server.send_input({"type": f"lifespan.{phase}"})
        assert await server.receive_output(60) == {"type": f"lifespan.{phase}.complete"}
    await server.wait()


@pytest.mark.parametrize("module", ["examples.asgi", "examples.plain", "chat_project.asgi"])
def test_lifespan_under_uvicorn(module: str, start_example: StartExample) -> None:
    server = start_example("uvicorn", module)
    server.process.wait_for_line("Application startup complete")
    assert server.process.terminate() in (0, -15)
    assert "Application shutdown complete" in server.process.output


@pytest.mark.parametrize("module", ["examples.asgi", "examples.plain"])
@pytest.mark.parametrize("kind", SERVERS)
def test_http_goes_to_django(kind: str, module: str, shared_example: SharedExample) -> None:
    assert "<title>" in shared_example(kind, module).get("/")
