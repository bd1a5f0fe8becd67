from io import StringIO

import pytest

from channels_workers.layers.memory import InMemoryChannelLayer
from channels_workers.management.commands import channelstatus, deadletters


@pytest.mark.parametrize("command", [channelstatus.Command, deadletters.Command])
def test_a_command_of_its_own_refuses_a_layer_in_memory(
    command: type, memory_layer: InMemoryChannelLayer, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command(stderr=StringIO()).run_from_argv(["manage.py", "command"])
    assert ended.value.code == 1


@pytest.mark.parametrize("command", [channelstatus.Command, deadletters.Command])
def test_the_code_of_a_process_may_call_it(
    command: type, memory_layer: InMemoryChannelLayer
) -> None:
    out = StringIO()
    command(stdout=out).execute(
        layer="default",
        json=False,
        watch=None,
        delayed=False,
        cancel=None,
        action="list",
        ids=[],
        force_color=False,
        no_color=True,
        skip_checks=True,
    )
    assert "0 dead letters" in out.getvalue()
