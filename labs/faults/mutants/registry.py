"""All mutants, each with rows of which one must miss its target."""

from __future__ import annotations

from labs.faults.mutants.lifelines import LIFELINES
from labs.faults.mutants.mutant import Mutant
from labs.faults.mutants.quarantine import QUARANTINE
from labs.faults.mutants.shards import SHARDS
from labs.harness.patch import Patch

LUA = "layers/redis/lua"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "no-owner",
        "a commit does not ask whether the delivery is still the worker's",
        (
            Patch(
                f"{LUA}/commit.lua",
                '  if not is_pending_for(channel, entry, consumer) then return "stale" end\n',
                "",
            ),
            Patch(
                f"{LUA}/commit.lua",
                'record.order ~= tonumber(ARGV[at + 5]) or record.state == "i"',
                "false",
            ),
        ),
        ("worker-frozen", "lost-replies"),
    ),
    Mutant(
        "no-order",
        "a publish does not look at the order of the connection",
        (
            Patch(
                f"{LUA}/publish.lua",
                'if order <= record.order and record.state ~= "d" then return "repeated" end\n',
                "",
            ),
            Patch(
                f"{LUA}/publish.lua",
                'if record.state ~= "i" or order ~= record.order + 1 then',
                "if false then",
            ),
        ),
        ("lost-replies", "redis-cut"),
    ),
    Mutant(
        "blind-retries",
        "after a lost reply a worker pulls again, without checking what it was given",
        (
            Patch(
                "layers/redis/streams.py",
                "        self._recovering[consumer] = Recovery()\n",
                "        del consumer\n",
            ),
        ),
        ("lost-replies", "redis-cut"),
    ),
    Mutant(
        "ruthless-reaper",
        "the reaper deletes what a dead worker held, instead of handing it on",
        (
            Patch(
                f"{LUA}/clean_up.lua",
                'put_back(channel, entry, fields, "deaths", deaths)',
                "acknowledge(channel, entry)",
            ),
        ),
        ("worker-killed",),
    ),
    Mutant(
        "hasty-reaper",
        "the reaper publishes the disconnect of a connection whose message is still in flight",
        (
            Patch(
                f"{LUA}/lib/connection.lua",
                'if record.state == "i" then\n    publish_disconnect',
                "if true then\n    publish_disconnect",
            ),
        ),
        ("server-killed-busy",),
    ),
    Mutant(
        "no-admission",
        "a server lets in any number of handshakes at once",
        (
            Patch(
                "interface/admission.py",
                "if not limit or self.under_way < limit:",
                "if True:",
            ),
        ),
        ("handshake-storm-uvicorn",),
    ),
    Mutant(
        "shared-heartbeat",
        "a server heartbeats in its event loop alone, behind all that it writes",
        (
            Patch(
                "layers/redis/session.py",
                "            self._thread.start(self.registration)\n",
                "",
            ),
        ),
        ("blocked-loop",),
    ),
    Mutant(
        "unsafe-again",
        "the reaper hands on every request, whether it is safe or not",
        (
            Patch(
                f"{LUA}/clean_up.lua",
                'return channel == "http.request" and request_kind(field_of(fields, "reply") or "")'
                ' == "once"',
                "return false",
            ),
        ),
        ("request-killed",),
    ),
    Mutant(
        "any-run",
        "a server sends parts of a response from any run of its consumer",
        (
            Patch(
                "interface/http/response_protocol.py",
                "if self._head is not None and run != self._run:",
                "if False:",
            ),
        ),
        ("stream-killed",),
    ),
    Mutant(
        "row-apart",
        "@once stores its row after the transaction of the consumer, in one of its own",
        (
            Patch(
                "once/run.py",
                """            self._store(connection, self._key, effects.encode())
        except BaseException as raised:  # noqa: BLE001  (the transaction rolls back)""",
                """            self._late = effects.encode()
        except BaseException as raised:  # noqa: BLE001  (the transaction rolls back)""",
            ),
            Patch(
                "once/run.py",
                "sweeper.watch(self.using, self._outbox)\n        if isinstance",
                "store(self._transaction.connection, self._key, self._late)\n        if isinstance",
            ),
        ),
        ("once-killed", "once-frozen"),
    ),
    Mutant(
        "no-unique-row",
        "two runs of a message can both store a row of @once",
        (
            Patch(
                "migrations/0001_initial.py", "models.UUIDField(unique=True)", "models.UUIDField()"
            ),
        ),
        ("once-frozen",),
    ),
    Mutant(
        "empty-row",
        "the row of @once does not have what the consumer sent",
        (
            Patch(
                "once/run.py",
                """            self._store(connection, self._key, effects.encode())
        except BaseException as raised:  # noqa: BLE001  (the transaction rolls back)""",
                """            self._store(connection, self._key, Effects([], []).encode())
        except BaseException as raised:  # noqa: BLE001  (the transaction rolls back)""",
            ),
        ),
        ("once-killed", "once-redis-emptied"),
    ),
    Mutant(
        "no-memory",
        "Redis does not remember which stored sends went out",
        (
            Patch(
                f"{LUA}/send_once.lua",
                'for _, field in ipairs(done) do on_key("HSET", relayed, field, "") end\n',
                "",
            ),
        ),
        ("outbox-killed",),
    ),
    Mutant(
        "no-fence",
        "a relay that has lost its claim can still send",
        (
            Patch(
                f"{LUA}/send_once.lua",
                "if claim_of(database) ~= ARGV[2] then return {0} end\n",
                "",
            ),
        ),
        ("outbox-frozen",),
    ),
    Mutant(
        "anybodys-task",
        "a worker ends a task without asking whether it is still its own",
        (
            Patch(
                "tasks/rows.py",
                "filter(pk=row.pk, **known)",
                "filter(pk=row.pk)",
            ),
        ),
        ("tasks-frozen",),
    ),
    Mutant(
        "task-without-effects",
        "the row of a task that has ended does not have what the task sent",
        (
            Patch(
                "tasks/transactions.py",
                "    return Effects(outbox.operations, []).encode()\n",
                "    return None\n",
            ),
        ),
        ("tasks-killed",),
    ),
    Mutant(
        "unsent-for-ever",
        "workers do not send tasks whose process was killed before it could",
        (Patch("tasks/keeper.py", "            send_unsent,\n", ""),),
        ("tasks-unsent",),
    ),
    Mutant(
        "task-row-apart",
        "a task with @once stores its result after its transaction",
        (
            Patch(
                "tasks/transactions.py",
                "        return self._end(row, failure or _try_to_succeed(row, value))\n",
                "        failure = self._end(row, failure)\n"
                "        return failure or _try_to_succeed(row, value)\n",
            ),
        ),
        ("tasks-once-killed",),
    ),
    Mutant(
        "outbox-in-memory",
        "stored sends are kept in the memory of the process until its transaction is committed",
        (
            Patch(
                "relay/rows.py",
                "        row.save(using=using, force_insert=True)\n",
                '        on_commit = __import__("django.db.transaction").db.transaction.on_commit\n'
                "        on_commit(lambda: layer.apply([operation]), using)\n",
            ),
        ),
        ("outbox-server-killed",),
    ),
    Mutant(
        "due-for-ever",
        "a delayed message stays where it was after it was sent",
        (
            Patch(
                f"{LUA}/send_due.lua",
                '  on_key("ZREM", delayed, id)\n  on_key("HDEL", delayed_messages, id)\n',
                "  set_due(id, time + 5000000)\n",
            ),
        ),
        ("delayed-killed",),
    ),
    Mutant(
        "join-apart",
        "a client that comes back joins its group in another step than that of the replay",
        (
            Patch(
                "layers/redis/layer.py",
                "        return wire.read_joined(reply)\n",
                """        joined = wire.read_joined(reply)
        self.apply([Leave(wanted.group, wanted.channel)])
        __import__("time").sleep(0.3)
        self.apply([Join(wanted.group, wanted.channel)])
        return joined
""",
            ),
        ),
        ("history-server-killed",),
    ),
    Mutant(
        "any-epoch",
        "a position counts in any epoch",
        (
            Patch(
                f"{LUA}/resume.lua",
                "if name == history.name and tonumber(offset) <= history.last then "
                "return tonumber(offset) end",
                "if name then return math.min(tonumber(offset), history.last) end",
            ),
        ),
        ("history-redis-emptied",),
    ),
    Mutant(
        "no-kept-groups",
        "a connection leaves its groups when another server adopts it",
        (
            Patch(
                f"{LUA}/adopt.lua",
                'if string.sub(field, 1, 1) == "g" then',
                "if false then",
            ),
        ),
        ("resume-server-killed",),
    ),
    Mutant(
        "still-parked",
        "the disconnect of a connection stays due after its client is back",
        (Patch(f"{LUA}/adopt.lua", "  unpark(reply)\n", ""),),
        ("resume-server-killed",),
    ),
    Mutant(
        "moved-by-name",
        "after a loss of data a connection is at the server in its name",
        (
            Patch(
                f"{LUA}/restore_kept.lua",
                'if string.match(reply, "^[^!]+") ~= server then',
                "if false then",
            ),
        ),
        ("resume-redis-emptied",),
    ),
    *LIFELINES,
    *SHARDS,
    *QUARANTINE,
)
