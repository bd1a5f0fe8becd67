"""Workers and their queues, tasks and stored sends."""

from labs.monitoring.panels.panel import (
    BYTES,
    COUNT,
    PER_SECOND,
    SECONDS,
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

WORKERS = Row(
    "Workers",
    (
        Panel(
            "Messages, by consumer",
            "Runs per second.",
            PER_SECOND,
            (Query(top(rate("runs_total", "consumer")), "{{consumer}}"),),
            Kind.AREAS,
        ),
        Panel(
            "Runs that went wrong",
            "Runs per second that raised, were retried, hit their time limit or were given up.",
            PER_SECOND,
            (
                Query(
                    top(rate("runs_total", "consumer, outcome", 'outcome!="done"')),
                    "{{consumer}} {{outcome}}",
                ),
                Query(top(rate("retries_total", "consumer")), "{{consumer}} runs again"),
            ),
        ),
        Panel(
            "Threads",
            "Threads of workers, and those that have a message. If the site knows more than are "
            "scraped, Prometheus misses workers.",
            COUNT,
            (
                Query(largest("threads"), "of the site"),
                Query(total("worker_threads"), "scraped"),
                Query(total("worker_threads_busy"), "busy"),
                Query(total("slow_consumers"), "in slow runs"),
            ),
        ),
        Panel(
            "Workers, by channel",
            "Live workers that listen to the channel.",
            COUNT,
            (Query(top(largest("channel_workers", "channel")), "{{channel}}"),),
        ),
        Panel(
            "Messages in channels",
            "Messages that wait, and that workers hold.",
            COUNT,
            (Query(top(largest("channel_messages", "channel, state")), "{{channel}} {{state}}"),),
        ),
        Panel(
            "Oldest message, by channel",
            "Age of the oldest message that waits or runs.",
            SECONDS,
            (Query(top(largest("channel_oldest_seconds", "channel")), "{{channel}}"),),
        ),
        Panel(
            "Trouble with workers",
            "Per second: processes that were declared dead, messages that another worker got "
            "after that, messages that were taken and returned, and dead letters.",
            PER_SECOND,
            (
                Query(rate("processes_declared_dead_total", "role"), "dead: {{role}}"),
                Query(rate("deliveries_handed_over_total", "channel"), "handed over: {{channel}}"),
                Query(rate("prefetched_returned_total"), "returned"),
                Query(rate("dead_letters_total", "channel"), "dead letters: {{channel}}"),
            ),
        ),
        Panel(
            "Commits",
            "How long the commit of finished messages takes.",
            SECONDS,
            (
                Query(quantile(0.95, "commit_seconds"), "p95"),
                Query(quantile(0.5, "commit_seconds"), "p50"),
            ),
        ),
        Panel(
            "Memory of workers",
            "Resident memory of each process.",
            BYTES,
            (Query(top(of_role("process_resident_memory_bytes", "worker")), "{{instance}}"),),
            width=12,
        ),
        Panel(
            "CPU of workers",
            "Cores that each process uses.",
            COUNT,
            (Query(top(of_role("process_cpu_seconds_total", "worker")), "{{instance}}"),),
            width=12,
        ),
    ),
)

TASKS = Row(
    "Tasks and stored sends",
    (
        Panel(
            "Tasks, by outcome",
            "Runs of Django's tasks per second.",
            PER_SECOND,
            (Query(rate("tasks_total", "outcome"), "{{outcome}}"),),
            Kind.AREAS,
        ),
        Panel(
            "Run time, by task (p95)",
            "p95 of its runs.",
            SECONDS,
            (Query(top(quantile(0.95, "task_seconds", "task")), "{{task}}"),),
        ),
        Panel(
            "Waiting",
            "Tasks in their queues, delayed messages and stored sends that are not sent yet.",
            COUNT,
            (
                Query(largest("tasks_waiting", "queue"), "tasks of {{queue}}"),
                Query(largest("delayed_messages"), "delayed messages"),
                Query(largest("stored_sends"), "stored sends"),
            ),
        ),
        Panel(
            "Stored sends",
            "Age of the oldest that was not sent yet.",
            SECONDS,
            (Query(largest("stored_sends_oldest_seconds"), "oldest"),),
            width=3,
        ),
        Panel(
            "Relayed",
            "Stored sends that went out, per second.",
            PER_SECOND,
            (Query(rate("stored_sends_relayed_total"), "relayed"),),
            width=3,
        ),
    ),
)
