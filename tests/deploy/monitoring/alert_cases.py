"""What Prometheus has scraped: from a healthy site, and from one that each alert is about.

Values are in the notation of promtool: ``1+2x120`` are 121 samples from 1, each 2 larger.
"""

from dataclasses import dataclass, field

#: One sample each 15 s for 40 minutes.
SAMPLES = 160

SERVER = 'job="chat",instance="server:1"'
WORKER = 'job="chat",instance="worker:1"'


def steady(value: float) -> str:
    """A gauge."""
    return f"{value}+0x{SAMPLES}"


def growing(step: float) -> str:
    """A counter that grows by *step* each 15 s."""
    return f"0+{step}x{SAMPLES}"


def buckets(metric: str, labels: str, fast: float, slow: float) -> dict[str, str]:
    """A histogram: *fast* requests of up to 10 ms each 15 s, and *slow* ones of up to 1 s."""
    return {
        f'{metric}_bucket{{{labels},le="{limit}"}}': growing(step)
        for limit, step in (("0.01", fast), ("1", fast + slow), ("+Inf", fast + slow))
    }


def redis(fast: float, slow: float) -> dict[str, str]:
    return buckets("channels_workers_redis_request_seconds", f'{WORKER},script="pull"', fast, slow)


def runs(outcome: str) -> str:
    labels = f'consumer="chat.say",channel="websocket.receive",outcome="{outcome}"'
    return f"runs_total{{{WORKER},{labels}}}"


#: By the part of the name after ``channels_workers_``, or the whole name.
HEALTHY: dict[str, str] = {
    f'process_info{{{SERVER},role="server",release="1"}}': steady(1),
    f'process_info{{{WORKER},role="worker",release="1"}}': steady(1),
    f"process_open_fds{{{SERVER}}}": steady(100),
    f"process_max_fds{{{SERVER}}}": steady(1024),
    f"worker_threads{{{WORKER}}}": steady(4),
    # Both processes show the same.
    **{
        f"{name}{{{process}}}": steady(value)
        for process in (SERVER, WORKER)
        for name, value in (
            ("threads", 4),
            ("busy_share", 0.5),
            ("dead_letters_kept", 2),
            ("delayed_messages", 10),
            ("layer_recovering", 0),
            ("layer_available", 1),
            ("clock_error_seconds", 0.002),
            ("stored_sends_oldest_seconds", 0),
            ("epoch_changes_total", 0),
        )
    },
    f'channel_messages{{{SERVER},channel="websocket.receive",state="waiting"}}': steady(3),
    f'channel_workers{{{SERVER},channel="websocket.receive"}}': steady(1),
    f'channel_oldest_seconds{{{SERVER},channel="websocket.receive"}}': steady(0.1),
    f'channel_oldest_seconds{{{SERVER},channel="tasks.default"}}': steady(600),
    runs("done"): growing(100),
    runs("failed"): growing(1),
    f'retries_total{{{WORKER},consumer="chat.say"}}': growing(0),
    f"slow_consumers{{{WORKER}}}": steady(0),
    f'processes_declared_dead_total{{{WORKER},role="worker"}}': growing(0),
    f"prefetched_returned_total{{{WORKER}}}": growing(1),
    f'handshakes_total{{{SERVER},outcome="accepted"}}': growing(30),
    f'handshakes_total{{{SERVER},outcome="refused"}}': growing(3),
    f'handshakes_total{{{SERVER},outcome="timed_out"}}': growing(1),
    f"inbox_lag_seconds{{{SERVER}}}": steady(0.01),
    f'sockets_closed_total{{{SERVER},by="client",code="1001"}}': growing(30),
    f'sockets_closed_total{{{SERVER},by="server",code="4010"}}': growing(1),
    f'http_requests_total{{{SERVER},by="workers",status="2xx"}}': growing(100),
    f'http_requests_total{{{SERVER},by="workers",status="5xx"}}': growing(1),
    f'requests_refused_total{{{SERVER},reason="rate"}}': growing(1),
    f'redis_errors_total{{{WORKER},kind="timeout"}}': growing(0),
    **redis(fast=1000, slow=1),
    **{
        f"{series.format(process)}": steady(value)
        for process in (SERVER, WORKER)
        for series, value in (
            ('shard_available{{{},shard="a"}}', 1),
            ('shard_available{{{},shard="b"}}', 1),
            ('shard_behind{{{},shard="a",other="b"}}', 40),
        )
    },
    f'inbox_operations_total{{{SERVER},kind="gap"}}': growing(0),
    f'tasks_total{{{WORKER},task="mail.send",outcome="failed"}}': growing(0),
    f'tasks_total{{{WORKER},task="mail.send",outcome="done"}}': growing(10),
    f'tasks_waiting{{{SERVER},queue="default"}}': steady(10),
}


@dataclass(frozen=True)
class Case:
    """*series* replace those of the healthy site, from minute 0 on.

    The alert has the label ``job`` and these *labels*. Without *site*, nothing of the healthy site
    is there.
    """

    series: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)
    site: bool = True


def both(name: str, values: str) -> dict[str, str]:
    return {f"{name}{{{process}}}": values for process in (SERVER, WORKER)}


CASES: dict[str, Case] = {
    # Ports that nobody listens on.
    "NothingScraped": Case({f"up{{{SERVER}}}": steady(0)}, site=False),
    "WorkersNotScraped": Case(both("threads", steady(8))),
    "ReleasesDiffer": Case({f'process_info{{{WORKER},role="worker",release="2"}}': steady(1)}),
    "OpenFilesNearLimit": Case(
        {f"process_open_fds{{{SERVER}}}": steady(900)}, {"instance": "server:1"}
    ),
    "NoWorker": Case(both("threads", steady(0))),
    "ChannelWithoutWorker": Case(
        {f'channel_workers{{{SERVER},channel="websocket.receive"}}': steady(0)},
        {"channel": "websocket.receive"},
    ),
    "MessagesWait": Case(
        {f'channel_oldest_seconds{{{SERVER},channel="websocket.receive"}}': steady(12)},
        {"channel": "websocket.receive"},
    ),
    "ChannelFillsUp": Case(
        {
            f'channel_messages{{{SERVER},channel="news",state="waiting"}}': steady(6000),
            f'channel_messages{{{WORKER},channel="news",state="waiting"}}': steady(6000),
        },
        {"channel": "news"},
    ),
    "DelayedMessagesPileUp": Case(both("delayed_messages", steady(6000))),
    # One more each ten minutes.
    "DeadLettersIncreased": Case(both("dead_letters_kept", "2+0x39 3+0x39 4+0x39 5+0x39 6+0x39")),
    "WorkersBusy": Case(both("busy_share", steady(0.95))),
    "ConsumerFails": Case(
        {runs(outcome): growing(2) for outcome in ("failed", "timed_out")},
        {"consumer": "chat.say"},
    ),
    "ConsumerRetries": Case(
        {f'retries_total{{{WORKER},consumer="chat.say"}}': growing(3)}, {"consumer": "chat.say"}
    ),
    "ConsumerHangs": Case({f"slow_consumers{{{WORKER}}}": steady(1)}, {"instance": "worker:1"}),
    "ProcessesDie": Case(
        # One each five minutes.
        {
            f'processes_declared_dead_total{{{WORKER},role="worker"}}': " ".join(
                f"{count}+0x19" for count in range(8)
            )
        },
        {"role": "worker"},
    ),
    "PrefetchReturned": Case({f"prefetched_returned_total{{{WORKER}}}": growing(30)}),
    "HandshakesTimeOut": Case({f'handshakes_total{{{SERVER},outcome="timed_out"}}': growing(5)}),
    "HandshakesRefused": Case({f'handshakes_total{{{SERVER},outcome="refused"}}': growing(30)}),
    "ServerLags": Case({f"inbox_lag_seconds{{{SERVER}}}": steady(3)}, {"instance": "server:1"}),
    "SocketsCut": Case(
        {f'sockets_closed_total{{{SERVER},by="server",code="4010"}}': growing(15)},
        {"code": "4010"},
    ),
    "RequestsFail": Case(
        {f'http_requests_total{{{SERVER},by="workers",status="5xx"}}': growing(10)},
        {"by": "workers"},
    ),
    "RequestsRefused": Case(
        {f'requests_refused_total{{{SERVER},reason="rate"}}': growing(30)}, {"reason": "rate"}
    ),
    "LayerUnavailable": Case({f"layer_available{{{SERVER}}}": steady(0)}, {"instance": "server:1"}),
    "DataLost": Case({f"epoch_changes_total{{{SERVER}}}": "0+0x119 1+0x40"}),
    "RecoveryLasts": Case(both("layer_recovering", steady(1))),
    "RedisFails": Case(
        {f'redis_errors_total{{{WORKER},kind="timeout"}}': growing(3)}, {"kind": "timeout"}
    ),
    "RedisSlow": Case(redis(fast=1000, slow=30)),
    "ClockErrorLarge": Case(
        {f"clock_error_seconds{{{SERVER}}}": steady(0.8)}, {"instance": "server:1"}
    ),
    "ShardUnavailable": Case({f'shard_available{{{SERVER},shard="b"}}': steady(0)}, {"shard": "b"}),
    "ShardBehind": Case(
        {
            f'shard_behind{{{process},shard="a",other="b"}}': steady(2000)
            for process in (SERVER, WORKER)
        },
        {"shard": "a", "other": "b"},
    ),
    "MessagesMissed": Case({f'inbox_operations_total{{{SERVER},kind="gap"}}': "0+0x119 1+0x40"}),
    "TasksFail": Case(
        {f'tasks_total{{{WORKER},task="mail.send",outcome="failed"}}': growing(1)},
        {"task": "mail.send"},
    ),
    "TasksPileUp": Case(
        {f'tasks_waiting{{{SERVER},queue="default"}}': steady(2000)}, {"queue": "default"}
    ),
    "StoredSendsWait": Case(both("stored_sends_oldest_seconds", steady(90))),
}
