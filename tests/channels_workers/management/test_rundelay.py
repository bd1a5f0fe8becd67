from io import StringIO

import pytest
from django.core.management import call_command


@pytest.mark.parametrize("options", [(), ("--layer", "default", "--sleep", "5")])
def test_it_says_that_it_is_not_needed(options: tuple[str, ...]) -> None:
    out, err = StringIO(), StringIO()
    call_command("rundelay", *options, stdout=out, stderr=err)
    assert out.getvalue() == ""
    assert "rundelay is not needed" in err.getvalue()
    assert "remove rundelay from your processes" in err.getvalue()
