/* The promises, as assertions. Their numbers are in labs/model/promises.py. */

#define HOLDS(number, condition) assert((condition) || number == 0)
#define ONCE 101       /* promise 1 */
#define IN_ORDER 102   /* promise 2 */
#define DISCONNECT 103 /* promise 3 */
#define REACHED 104    /* promise 4: each member hears, or hears of a gap */
#define NEEDLESS 105   /* nothing is given up that could be had */
#define LETTERS 106    /* each bad entry makes one dead letter */
#define DRAINED 107    /* logs do not grow while all are there: promise 6 */
#define GHOSTS 108     /* promise 4: the dead are in no group */
#define BOUNDED 109    /* inboxes do not grow without new entries: promise 6 */

#define KNOWS(v, s) (server[v].heard[s] | server[v].excused[s])

/* Server v reads the oldest operation of its inbox. It skips what it knows. */
inline hear(v) {
  inbox[v]?source_, life_, seq_, what_;
  if
  :: !NO_SKIP && server[v].at[source_].life == IN_MARK(life_) && seq_ <= server[v].at[source_].seq ->
    printf("server %d skips what it knows\n", v)
  :: else ->
    if
    :: what_ == GAP ->
      printf("server %d is told of a gap in the log of %c\n", v, NAME(source_));
      for (k : 1 .. sent[source_].count) {
        if
        :: KNOWS(v, source_) & BIT(k)
        :: sent[source_].life[k] > life_
        :: sent[source_].life[k] == life_ && sent[source_].seq[k] > seq_
        :: else ->
          HOLDS(NEEDLESS, shard[source_].log.lossy || shard[HOME(v)].hurried || sent[source_].life[k] != LIFE(source_) || !(server[v].due[source_] & BIT(k)));
          server[v].excused[source_] = server[v].excused[source_] | BIT(k);
          if
          :: v == 0 && sent[source_].join == k -> /* the gap took the join, so what follows is for others */
            sent[source_].join = 0;
            server[0].due[source_] = server[0].due[source_] & KNOWS(0, source_)
          :: else
          fi
        fi
      }
      k = 0
    :: what_ == JOIN ->
      printf("server %d hears of the join\n", v);
      server[0].member = !server[0].closed;
      server[0].heard[source_] = server[0].heard[source_] | BIT(sent[source_].join)
    :: else ->
      printf("server %d hears message %d of %c\n", v, what_, NAME(source_));
      HOLDS(ONCE, !(server[v].heard[source_] & BIT(what_)));
      HOLDS(IN_ORDER, KNOWS(v, source_) < BIT(what_));
      HOLDS(REACHED, !(server[v].due[source_] & (BIT(what_) - 1) & ~KNOWS(v, source_)));
      HOLDS(IN_ORDER, !MOVED || source_ != 1 || !(server[v].due[0] & ~KNOWS(v, 0)));
      server[v].heard[source_] = server[v].heard[source_] | BIT(what_)
    fi;
    server[v].at[source_].life = IN_MARK(life_);
    server[v].at[source_].seq = seq_
  fi;
  source_ = 0; life_ = 0; seq_ = 0; what_ = 0
}

/* At rest: all is as promised. */
inline examine() {
  for (v_ : 0 .. SERVERS - 1) {
    HOLDS(DISCONNECT, server[v_].disconnects <= 1);
    HOLDS(DISCONNECT, !server[v_].closed || server[v_].disconnects == 1);
    HOLDS(GHOSTS, server[v_].alive || !server[v_].part);
    for (i : 0 .. SHARDS - 1) {
      HOLDS(REACHED, shard[i].away || !(server[v_].due[i] & ~KNOWS(v_, i)))
    }
  }
  for (i : 0 .. SHARDS - 1) {
    HOLDS(DRAINED, !SENDS(i) || shard[i].away || BASE(i) == LAST(i))
  }
  HOLDS(LETTERS, letters <= spoilt && (letters == spoilt || shard[0].log.lossy || LIFE(0) > 1 || LIFE(1) > 1));
  i = 0
}
