"""All deliberate differences. The slowest come first, because several run at once."""

from labs.genuine.comparison.demonstrations import (
    answers,
    binding,
    groups,
    load,
    order,
    requests,
    sends,
    stopping,
    waiting,
)
from labs.genuine.comparison.difference import OnPurpose

DIFFERENCES: tuple[OnPurpose, ...] = (
    answers.SILENCE,
    answers.MISTAKE,
    answers.PAGE,
    requests.DIES,
    requests.MISTAKE,
    requests.NOBODY,
    order.ORDER,
    stopping.STOPPING,
    waiting.MANY,
    waiting.LONG,
    groups.LEAVE,
    groups.EXPIRES,
    sends.VIEW,
    sends.CLOSE,
    sends.POISON,
    sends.LATER,
    binding.ROLLBACK,
    binding.KEY,
    binding.FIELDS,
    requests.LATER,
    requests.HEAD,
    requests.LARGE,
    load.IDLE,
    load.GROUP,
)
