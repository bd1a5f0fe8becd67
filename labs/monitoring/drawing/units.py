"""Numbers with units, as Grafana shows them."""

from __future__ import annotations

#: From the largest: the factor and the sign.
_SECONDS = ((60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BYTES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_BYTES_PER_SECOND = ((1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s"))
_COUNT = ((1e6, "Mil"), (1e3, "K"), (1.0, ""))

_SCALES = {"s": _SECONDS, "bytes": _BYTES, "Bps": _BYTES_PER_SECOND, "short": _COUNT}


def shown(value: float, unit: str) -> str:
    """Return *value* in a *unit* of Grafana. ValueError for one that is not known here."""
    if unit == "percentunit":
        return f"{_number(100 * value)}%"
    if unit.startswith("suffix:"):
        return f"{_number(value)}{unit.removeprefix('suffix:')}"
    if unit not in _SCALES:
        raise ValueError(
            f"Expected a unit of {sorted(_SCALES)}, percentunit or suffix:, got {unit!r}"
        )
    scale = _SCALES[unit]
    if value == 0:
        return "0"
    factor, sign = next((one for one in scale if abs(value) >= one[0]), scale[-1])
    return f"{_number(value / factor)} {sign}".rstrip()


def _number(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
