/* What a mutant breaks. Each is 0 here, and 1 in the mutant that sets it. */

/* Apply does not look at the mark. */
#ifndef NO_MARK
#define NO_MARK 0
#endif

/* Apply raises the mark in a second step. */
#ifndef MARK_OUTSIDE
#define MARK_OUTSIDE 0
#endif

/* Marks and positions do not name the life of the log. */
#ifndef NO_EPOCH_IN_MARK
#define NO_EPOCH_IN_MARK 0
#endif

/* A shard that comes back empty keeps the name of its life. */
#ifndef SAME_EPOCH
#define SAME_EPOCH 0
#endif

/* A new life has no first entry; apply notes the gap with the next one. */
#ifndef GAP_AT_NEXT_ENTRY
#define GAP_AT_NEXT_ENTRY 0
#endif

/* A gap is found only when there is an entry to read behind it. */
#ifndef GAP_NEEDS_ENTRY
#define GAP_NEEDS_ENTRY 0
#endif

/* Apply does not look at the lease token. */
#ifndef NO_TOKEN_CHECK
#define NO_TOKEN_CHECK 0
#endif

/* The tokens of a shard that lost its data begin anew. */
#ifndef TOKEN_RESTARTS
#define TOKEN_RESTARTS 0
#endif

/* A variant: one mark for each source, with its life; not one for each life. */
#ifndef SINGLE_MARK
#define SINGLE_MARK 0
#endif

/* Apply raises the mark to the end of the log. */
#ifndef CURSOR_SKIPS
#define CURSOR_SKIPS 0
#endif

/* Apply tells nobody of entries that are missing. */
#ifndef SILENT_GAP
#define SILENT_GAP 0
#endif

/* A log is trimmed as far as its first destination has reported. */
#ifndef TRIM_EARLY
#define TRIM_EARLY 0
#endif

/* A log is trimmed as far as those have reported who have reported at all. */
#ifndef TRIM_REPORTED
#define TRIM_REPORTED 0
#endif

/* A relay trims what it has read. */
#ifndef TRIM_ON_READ
#define TRIM_ON_READ 0
#endif

/* A relay reports what is applied, heard or not. */
#ifndef TRIM_UNHEARD
#define TRIM_UNHEARD 0
#endif

/* A report does not name the life of the log. */
#ifndef REPORT_WITHOUT_EPOCH
#define REPORT_WITHOUT_EPOCH 0
#endif

/* Servers do not skip what they know. */
#ifndef NO_SKIP
#define NO_SKIP 0
#endif

/* A server that registers when relays have gone on does not lower the mark. */
#ifndef LATE_KEEPS_MARK
#define LATE_KEEPS_MARK 0
#endif

/* Only the first server that registers sets the mark. */
#ifndef KEEP_MARK
#define KEEP_MARK 0
#endif

/* A server that registers with another life does not lower the mark. */
#ifndef KEEP_LIFE
#define KEEP_LIFE 0
#endif

/* Relays go on when the first server has registered. */
#ifndef GO_ON_EARLY
#define GO_ON_EARLY 0
#endif

/* Heartbeats do not move positions. */
#ifndef NO_BEAT
#define NO_BEAT 0
#endif

/* A heartbeat may move a position back. */
#ifndef BEAT_BACK
#define BEAT_BACK 0
#endif

/* Apply fails at a bad entry. */
#ifndef BAD_STOPS
#define BAD_STOPS 0
#endif

/* Apply fails at a bad entry after it has written those before it. */
#ifndef BAD_HALF
#define BAD_HALF 0
#endif

/* A relay waits for a source that is away. */
#ifndef WAIT_FOR_SOURCE
#define WAIT_FOR_SOURCE 0
#endif

/* A connection goes on with another shard: shard 1 sends what follows the messages of shard 0. */
#ifndef MOVED
#define MOVED 0
#endif

/* Senders keep a directory of the shards that have members. */
#ifndef DIRECTORY
#define DIRECTORY 0
#endif

/* A join returns before the shard has noted it. */
#ifndef TWO_STEP_JOIN
#define TWO_STEP_JOIN 0
#endif

/* The log entry is a second step after the commit. */
#ifndef SPLIT_COMMIT
#define SPLIT_COMMIT 0
#endif

/* A commit does not look at who holds the delivery. */
#ifndef NO_DELIVERY_CHECK
#define NO_DELIVERY_CHECK 0
#endif

/* A close does not look at the record of the connection. */
#ifndef CLOSE_UNCHECKED
#define CLOSE_UNCHECKED 0
#endif

/* The join of a socket on another shard does not look at its record. */
#ifndef JOIN_UNCHECKED
#define JOIN_UNCHECKED 0
#endif

/* The shard repeats what it does itself when the mark has gone back. */
#ifndef OWN_AGAIN
#define OWN_AGAIN 0
#endif

/* A shard applies entries of an epoch that it has left for another one. */
#ifndef LEFT_EPOCHS
#define LEFT_EPOCHS 0
#endif
