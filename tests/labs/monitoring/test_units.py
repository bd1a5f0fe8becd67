import pytest

from labs.monitoring.drawing.units import shown
from labs.monitoring.panels import ROWS


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0, "s", "0"),
        (0.0042, "s", "4.2 ms"),
        (0.00042, "s", "420 µs"),
        (90, "s", "1.5 min"),
        (0.934, "percentunit", "93.4%"),
        (2.5 * 2**20, "bytes", "2.5 MiB"),
        (1500, "Bps", "1.5 kB/s"),
        (12_345, "short", "12.3 K"),
        (7, "short", "7"),
        (0.25, "suffix:/s", "0.25/s"),
    ],
)
def test_a_number_has_its_unit(value: float, unit: str, expected: str) -> None:
    assert shown(value, unit) == expected


def test_an_unknown_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="got 'furlong'"):
        shown(1, "furlong")


def test_all_units_of_the_dashboard_are_known() -> None:
    for panel in (panel for row in ROWS for panel in row.panels):
        assert shown(1, panel.unit)
