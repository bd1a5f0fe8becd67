"""Interface servers, HTTP and Redis."""

from labs.monitoring.panels.panel import (
    BYTES,
    BYTES_PER_SECOND,
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
    of_role,
    quantile,
    rate,
    top,
    total,
)

INTERFACE = Row(
    "Interface servers",
    (
        Panel(
            "Sockets, by state",
            "Sockets of all interface servers.",
            COUNT,
            (Query(total("sockets", "state"), "{{state}}"),),
            Kind.AREAS,
        ),
        Panel(
            "Handshakes",
            "Per second, by outcome.",
            PER_SECOND,
            (Query(rate("handshakes_total", "outcome"), "{{outcome}}"),),
        ),
        Panel(
            "Time of a handshake (p95)",
            "p95, by outcome.",
            SECONDS,
            (Query(quantile(0.95, "handshake_seconds", "outcome"), "{{outcome}}"),),
        ),
        Panel(
            "Sockets closed",
            "Per second, by close code and the side that closed.",
            PER_SECOND,
            (Query(top(f"{rate('sockets_closed_total', 'code, by')} > 0"), "{{code}} by {{by}}"),),
        ),
        Panel(
            "Bytes",
            "Payload of frames from clients and to them.",
            BYTES_PER_SECOND,
            (
                Query(rate("sent_bytes_total"), "to clients"),
                Query(rate("received_bytes_total"), "from clients"),
            ),
        ),
        Panel(
            "Frames waiting",
            "Frames that clients sent and that wait in the servers.",
            COUNT,
            (Query(total("frames_waiting", "instance"), "{{instance}}"),),
        ),
        Panel(
            "Memory for clients",
            "Bytes of frames that wait in the servers, and of those that clients do not read.",
            BYTES,
            (
                Query(total("frames_waiting_bytes"), "waiting"),
                Query(total("unread_bytes"), "unread"),
            ),
        ),
        Panel(
            "Lag of the inboxes",
            "How late each server reads what workers send. From 10 s on it accepts no sockets.",
            SECONDS,
            (Query(largest("inbox_lag_seconds", "instance"), "{{instance}}"),),
        ),
        Panel(
            "Operations from workers",
            "Entries of the inboxes per second, by kind.",
            PER_SECOND,
            (Query(rate("inbox_operations_total", "kind"), "{{kind}}"),),
            Kind.AREAS,
        ),
        Panel(
            "Memory of servers",
            "Resident memory of each process.",
            BYTES,
            (Query(of_role("process_resident_memory_bytes", "server"), "{{instance}}"),),
        ),
        Panel(
            "CPU of servers",
            "Cores that each process uses. One is the most.",
            COUNT,
            (Query(of_role("process_cpu_seconds_total", "server"), "{{instance}}"),),
        ),
        Panel(
            "Open files",
            "Share of the limit of each process. Each socket is an open file.",
            SHARE,
            (
                Query(
                    f"process_open_fds{{{JOB}}} / process_max_fds{{{JOB}}}",
                    "{{instance}}",
                ),
            ),
        ),
    ),
)

HTTP = Row(
    "HTTP",
    (
        Panel(
            "Requests",
            "Per second, by the side that answers and the status.",
            PER_SECOND,
            (Query(rate("http_requests_total", "by, status"), "{{by}} {{status}}"),),
        ),
        Panel(
            "Time of a request (p95)",
            "p95, by the side that answers.",
            SECONDS,
            (Query(quantile(0.95, "http_request_seconds", "by"), "{{by}}"),),
        ),
        Panel(
            "Requests in progress",
            "Requests that run, and those that wait for their turn.",
            COUNT,
            (
                Query(total("http_requests_in_progress", "by"), "run: {{by}}"),
                Query(total("http_requests_waiting"), "wait"),
            ),
        ),
        Panel(
            "Requests refused",
            "Per second, by the limit that refused.",
            PER_SECOND,
            (Query(rate("requests_refused_total", "reason"), "{{reason}}"),),
        ),
    ),
)

REDIS = Row(
    "Redis",
    (
        Panel(
            "Time of a request, by script (p95)",
            "p95 of the calls, as the processes see them.",
            SECONDS,
            (Query(top(quantile(0.95, "redis_request_seconds", "script")), "{{script}}"),),
        ),
        Panel(
            "Requests, by script",
            "Calls per second.",
            PER_SECOND,
            (Query(top(rate("redis_request_seconds_count", "script")), "{{script}}"),),
            Kind.AREAS,
        ),
        Panel(
            "Errors and new connections",
            "Per second, by kind.",
            PER_SECOND,
            (
                Query(rate("redis_errors_total", "kind"), "{{kind}}"),
                Query(rate("redis_reconnects_total"), "connected again"),
            ),
        ),
        Panel(
            "Availability",
            "Share of the processes that reach Redis; losses of its data, and recovery from them.",
            COUNT,
            (
                Query(f"avg (channels_workers_layer_available{{{JOB}}})", "reach Redis"),
                Query(largest("layer_recovering"), "recovers"),
                Query(largest("epoch_changes_total"), "losses of data"),
            ),
        ),
    ),
)
