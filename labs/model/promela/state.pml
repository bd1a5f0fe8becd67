/* What each shard, relay and server knows. The scope and the mutant stand in front of it. */

/* Entries of a log: a message of the sender, by its number from 1, or one of these. */
#define BARE 90  /* for another shard: only its number counts here */
#define BAD 91   /* an entry that the destination cannot apply */
#define CLOSE 92 /* closes the connection of server 0 */
#define JOIN 93  /* the connection of server 0 joins the group */
#define GAP 94   /* all up to here is lost; also the first entry of a life that begins after a loss */

#define NAME(s) (65 + (s)) /* A, B, C */
#define BIT(n) (1 << ((n) - 1))

/* A place in the log of a source. Life 0: none. */
typedef Position {
  byte life;
  byte seq
};

typedef Log {
  byte life;          /* its epoch: the name of one life of the data */
  byte last;          /* the counter */
  byte base;          /* all entries up to this one are trimmed */
  byte entry[ENTRIES];
  byte done[SHARDS];  /* what each destination has reported */
  bit lossy           /* ghost: entries of this life may be lost without a mistake */
};

typedef Source {
  byte least;         /* lives before this one were left: nothing of them is applied any more */
  Position own;       /* as far as this, what the shard does itself is done, though the mark has gone back */
  byte newest;        /* the life of the newest mark */
  byte mark[LIVES]    /* one for each life */
};

typedef Shard {
  Log log;
#if FAILOVER
  Log old;            /* the former master, with the data of the life before */
#endif
  Source from[SHARDS];
  bit open;           /* its servers have registered, or their time is over */
  bit fresh;          /* no server has registered in this life */
  bit away;
  bit hurried;        /* ghost: it did not wait for a server, which may miss something */
  byte token;         /* that of the newest lease */
  bit led;            /* ghost: a relay has had the lease */
  byte holder         /* the relay with that lease, from 1; 0: it has expired */
};

Shard shard[SHARDS];

typedef Server {
  bit alive;
  bit registered;
  bit part;           /* on its shard: the group's part there names this server */
  bit record;         /* on its shard: the record of its connection */
  bit member;         /* its connection is in the group */
  bit closed;         /* its connection has ended */
  byte disconnects;   /* ghost: how many its connection got */
  Position at[SHARDS];   /* how far it has heard each source */
  byte due[SHARDS];      /* ghost: messages that it must hear */
  byte heard[SHARDS];    /* ghost: messages that it has heard */
  byte excused[SHARDS]   /* ghost: messages that a gap has told of */
};

Server server[SERVERS];

chan inbox[SERVERS] = [ROOM] of { byte, byte, byte, byte } /* source, life, seq, entry */

/* Ghosts: where each message is in the log, and how many the connection of a shard has sent. */
typedef Sent {
  byte count;
  byte join;          /* the message that made the connection of server 0 a member */
  byte life[MESSAGES + 1];
  byte seq[MESSAGES + 1]
};

Sent sent[SHARDS];
byte faults = FAULTS;
byte busy; /* ghost: relays between two steps of their own */
bit started; /* server 0 */
bit listed; /* a mutant: the directory of the senders knows that the group has members elsewhere */
byte letters, spoilt; /* dead letters; bad entries in logs */

/* Scratch of one step. Not part of the state. */
SCRATCH byte i, k, v_, source_, life_, seq_, what_, low_;
SCRATCH byte ok_;

#define LIFE(s) shard[s].log.life
#define LAST(s) shard[s].log.last
#define BASE(s) shard[s].log.base
#define MARK(d, s, life) shard[d].from[s].mark[IN_MARK(life)]
#define LEAST(d, s) shard[d].from[s].least
#define OWN(d, s) shard[d].from[s].own
#define NEWEST(d, s) shard[d].from[s].newest
#define IN_MARK(life) (NO_EPOCH_IN_MARK -> 1 : (life))
