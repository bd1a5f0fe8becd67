"""The site as a whole, and where the time of a message goes."""

from labs.monitoring.panels.panel import (
    COUNT,
    JOB,
    PER_SECOND,
    SECONDS,
    SHARE,
    Kind,
    Panel,
    Query,
    Row,
    largest,
    mean,
    quantile,
    rate,
    selected,
    top,
    total,
)

END_TO_END = "frame_to_commit_seconds"

#: The way of a frame: the part's name, its histogram, and which series of it.
PARTS = (
    ("waits in the server", "frame_wait_seconds", ""),
    ("waits for a worker", "queue_wait_seconds", 'channel="websocket.receive"'),
    ("runs", "run_seconds", ""),
    ("is committed", "commit_seconds", ""),
    ("goes out", "commit_to_frame_seconds", ""),
)

OVERVIEW = Row(
    "Overview",
    (
        Panel(
            "Sockets",
            "Open sockets of all interface servers.",
            COUNT,
            (Query(total("sockets", labels='state="open"'), "sockets"),),
            Kind.NUMBER,
            width=3,
        ),
        Panel(
            "Messages",
            "Runs of consumers per second.",
            PER_SECOND,
            (Query(rate("runs_total"), "messages"),),
            Kind.NUMBER,
            width=3,
        ),
        Panel(
            "End to end, p50",
            "p50 of the time from the socket until the server knows the commit of the frame.",
            SECONDS,
            (Query(quantile(0.5, END_TO_END), "p50"),),
            Kind.NUMBER,
            width=3,
            limits=(0.25, 1),
        ),
        Panel(
            "End to end, p95",
            "p95 of the time from the socket until the server knows the commit of the frame.",
            SECONDS,
            (Query(quantile(0.95, END_TO_END), "p95"),),
            Kind.NUMBER,
            width=3,
            limits=(0.5, 2),
        ),
        Panel(
            "Oldest message",
            "Age of the oldest message that waits or runs.",
            SECONDS,
            (Query(largest("oldest_message_seconds"), "oldest"),),
            Kind.NUMBER,
            width=3,
            limits=(2, 10),
        ),
        Panel(
            "Busy threads",
            "Share of all threads of all workers that have a message.",
            SHARE,
            (Query(largest("busy_share"), "busy"),),
            Kind.NUMBER,
            width=3,
            limits=(0.7, 0.9),
        ),
        Panel(
            "Dead letters",
            "Messages that the engine gave up: manage.py deadletters lists them.",
            COUNT,
            (Query(largest("dead_letters_kept"), "dead letters"),),
            Kind.NUMBER,
            width=3,
            limits=(1,),
        ),
        Panel(
            "Alerts",
            "Alerts that fire, of the rules in alerts.yaml.",
            COUNT,
            (Query(f'count(ALERTS{{{JOB}, alertstate="firing"}}) or vector(0)', "alerts"),),
            Kind.NUMBER,
            width=3,
            limits=(1, 2),
        ),
        Panel(
            "Traffic",
            "Frames that clients sent and got, and messages that consumers handled.",
            PER_SECOND,
            (
                Query(rate("frames_sent_total"), "frames to clients"),
                Query(rate("frames_received_total"), "frames from clients"),
                Query(rate("runs_total"), "messages handled"),
            ),
            width=8,
        ),
        Panel(
            "End to end",
            "From the socket until the server knew the commit of the frame. One clock measures it.",
            SECONDS,
            tuple(
                Query(quantile(share, END_TO_END), legend)
                for share, legend in ((0.99, "p99"), (0.95, "p95"), (0.5, "p50"))
            ),
            width=8,
        ),
        Panel(
            "Processes",
            "Processes that Prometheus scrapes, by role and release.",
            COUNT,
            (
                Query(
                    f"count by (role, release) ({selected('process_info')})", "{{role}} {{release}}"
                ),
            ),
            width=8,
        ),
    ),
)

TIME = Row(
    "Where time goes",
    (
        Panel(
            "Mean time of a frame, by part",
            "The way of a frame from its socket to other sockets. Runs and commits are those of "
            "all messages. Two clocks measure the second and the last part: see Clock error.",
            SECONDS,
            tuple(Query(mean(metric, labels=labels), part) for part, metric, labels in PARTS),
            Kind.AREAS,
            width=8,
        ),
        Panel(
            "p95, by part",
            "The same parts, each on its own.",
            SECONDS,
            tuple(
                Query(quantile(0.95, metric, labels=labels), part) for part, metric, labels in PARTS
            ),
            width=8,
        ),
        Panel(
            "Busy time, by consumer",
            "How many threads each consumer fills on average. It shows what to optimise first.",
            COUNT,
            (Query(top(rate("run_seconds_sum", "consumer")), "{{consumer}}"),),
            Kind.AREAS,
            width=8,
        ),
        Panel(
            "Wait for a worker, by channel (p95)",
            "p95 of the time from the send until a thread takes the message.",
            SECONDS,
            (Query(top(quantile(0.95, "queue_wait_seconds", "channel")), "{{channel}}"),),
            width=8,
        ),
        Panel(
            "Run time, by consumer (p95)",
            "p95 of its runs.",
            SECONDS,
            (Query(top(quantile(0.95, "run_seconds", "consumer")), "{{consumer}}"),),
            width=8,
        ),
        Panel(
            "Clock error",
            "By how much times of two clocks may be wrong, for each process.",
            SECONDS,
            (Query(top(largest("clock_error_seconds", "instance")), "{{instance}}"),),
            width=8,
        ),
    ),
)
