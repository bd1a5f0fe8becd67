"""What the model promises, and how a violation of each looks to spin."""

from __future__ import annotations

#: Somebody waits for ever, and somebody works for ever. Spin looks for both by itself.
COMES_TO_REST = "comes-to-rest"
ENDS = "no-endless-loop"

#: The assertions, by their numbers in promela/promises.pml.
ASSERTIONS = {
    101: "once",
    102: "order",
    103: "one-disconnect",
    104: "heard-or-told",
    105: "no-needless-loss",
    106: "one-dead-letter",
    107: "logs-drain",
    108: "no-ghosts",
    109: "bounded-inboxes",
}

#: What each means, with the number of its promise in docs/explanation/guarantees.md.
PROMISES = {
    "once": "no server hears a message twice (1)",
    "order": "servers hear the messages of a connection in order, none after its loss was told (2)",
    "one-disconnect": "a connection that ends gets one disconnect (3)",
    "heard-or-told": "members hear each later send, or of a gap, before they hear the next (4, 7)",
    "no-needless-loss": "gaps are told only of what a lost shard or a full log took (7)",
    "one-dead-letter": "a bad entry makes one dead letter (1)",
    "logs-drain": "at rest the logs are trimmed to their end (6)",
    "no-ghosts": "at rest no group names a dead server (4)",
    "bounded-inboxes": "an inbox does not grow without new entries (6)",
    COMES_TO_REST: "nobody waits for something that never comes (7)",
    ENDS: "nobody repeats steps for ever (7)",
}
