/* The processes, and what may fail. */

/* There is something in the log of s that d has not applied. */
#define WORK(s, d) (SENDS(s) && s != d && shard[d].open && !shard[s].away && \
  (BASE(s) < LAST(s) || !GAP_NEEDS_ENTRY) && \
  (LAST(s) > MARK(d, s, LIFE(s)) || (NEWEST(d, s) != LIFE(s) && LAST(s) && !NO_EPOCH_IN_MARK)))

/* Server v is not there, or has heard more of s than d has reported. */
#define IS_AHEAD(v, s, d) (HOME(v) != d || !server[v].registered || TRIM_UNHEARD || \
  (server[v].at[s].life == IN_MARK(LIFE(s)) && server[v].at[s].seq > shard[s].log.done[d]))

#define TO_REPORT(s, d) (SENDS(s) && s != d && shard[d].open && !shard[s].away && \
  MARK(d, s, LIFE(s)) > shard[s].log.done[d] && ALL_AHEAD(s, d))

/* All before the mark of s is in the inbox of v, which is empty: v has heard all of it. */
#define TO_BEAT(v, s) (!NO_BEAT && SENDS(s) && s != HOME(v) && server[v].alive && server[v].registered && \
  len(inbox[v]) == 0 && NEWEST(HOME(v), s) && \
  ((BEAT_BACK && (server[v].at[s].life != NEWEST(HOME(v), s) || server[v].at[s].seq != MARK(HOME(v), s, NEWEST(HOME(v), s)))) || \
  !server[v].at[s].life || \
  (server[v].at[s].life == NEWEST(HOME(v), s) && server[v].at[s].seq < MARK(HOME(v), s, NEWEST(HOME(v), s)))))

#if SERVERS > 2
#define ALL_AHEAD(s, d) (IS_AHEAD(0, s, d) && IS_AHEAD(1, s, d) && IS_AHEAD(2, s, d))
#define SERVERS_REST (SERVER_RESTS(0) && SERVER_RESTS(1) && SERVER_RESTS(2))
#elif SERVERS > 1
#define ALL_AHEAD(s, d) (IS_AHEAD(0, s, d) && IS_AHEAD(1, s, d))
#define SERVERS_REST (SERVER_RESTS(0) && SERVER_RESTS(1))
#else
#define ALL_AHEAD(s, d) (IS_AHEAD(0, s, d))
#define SERVERS_REST (SERVER_RESTS(0))
#endif
#if SHARDS > 2
#define ANY_WORK(d) (WORK(0, d) || WORK(1, d) || WORK(2, d))
#define ANY_REPORT(d) (TO_REPORT(0, d) || TO_REPORT(1, d) || TO_REPORT(2, d))
#define ANY_BEAT(v) (TO_BEAT(v, 0) || TO_BEAT(v, 1) || TO_BEAT(v, 2))
#define SHARDS_REST (SHARD_RESTS(0) && SHARD_RESTS(1) && SHARD_RESTS(2))
#else
#define ANY_WORK(d) (WORK(0, d) || WORK(1, d))
#define ANY_REPORT(d) (TO_REPORT(0, d) || TO_REPORT(1, d))
#define ANY_BEAT(v) (TO_BEAT(v, 0) || TO_BEAT(v, 1))
#define SHARDS_REST (SHARD_RESTS(0) && SHARD_RESTS(1))
#endif

/* Nobody has anything to do. */
#define SERVER_RESTS(v) (server[v].alive -> server[v].registered && len(inbox[v]) == 0 && !ANY_BEAT(v) : \
  !server[v].record)
#define SHARD_RESTS(d) (!TAKES(d) || (!ANY_WORK(d) && !ANY_REPORT(d)))
#define AT_REST (!busy && SERVERS_REST && SHARDS_REST)

inline beat(v, s) {
  server[v].at[s].life = NEWEST(HOME(v), s);
  server[v].at[s].seq = MARK(HOME(v), s, NEWEST(HOME(v), s))
}

/*
 * In a d_step the first branch whose guard holds is taken. Between processes, and in an if or do outside of one,
 * the checker tries all.
 */

/* The worker of a connection at s commits what the consumers of its messages do, one by one. */
proctype Sender(byte s) {
end:
  do
  :: d_step {
      sent[s].count < MESSAGES && !shard[s].away && (!MOVED || s == 0 || sent[0].count == MESSAGES) &&
        !SPLIT_COMMIT ->
      note_sent(s, 1);
      append(s, (DIRECTORY && !listed -> BARE : sent[s].count));
      printf("%c commits message %d as entry %d of life %d\n", NAME(s), sent[s].count, LAST(s), LIFE(s))
    }
  :: d_step {
      BARES && sent[s].count < MESSAGES && !shard[s].away ->
      note_sent(s, 0);
      append(s, BARE);
      printf("%c commits something for another shard as entry %d of life %d\n", NAME(s), LAST(s), LIFE(s))
    }
  :: d_step {
      spoilt < BADS && sent[s].count < MESSAGES && !shard[s].away ->
      note_sent(s, 0);
      append(s, BAD);
      spoilt++;
      printf("%c commits a bad entry as entry %d of life %d\n", NAME(s), LAST(s), LIFE(s))
    }
  :: d_step {
      CLOSES && sent[s].count < MESSAGES && !shard[s].away ->
      note_sent(s, 0);
      append(s, CLOSE);
      printf("%c commits a close of the connection of server 0 as entry %d of life %d\n", NAME(s), LAST(s), LIFE(s))
    }
  :: d_step {
      FAR_JOINS && sent[s].count < MESSAGES && !sent[s].join && !shard[s].away ->
      note_sent(s, 0);
      append(s, JOIN);
      sent[s].join = sent[s].count;
      printf("%c commits a join for the connection of server 0 as entry %d of life %d\n", NAME(s), LAST(s), LIFE(s))
    }
  :: d_step { /* a mutant: a frozen worker wakes, and commits the last message again */
      NO_DELIVERY_CHECK && faults && sent[s].count ->
      faults--;
      append(s, sent[s].count);
      printf("%c commits message %d again as entry %d\n", NAME(s), sent[s].count, LAST(s))
    }
  :: SPLIT_COMMIT && sent[s].count < MESSAGES -> /* a mutant */
    d_step { busy++; note_sent(s, 1); printf("%c commits message %d at home\n", NAME(s), sent[s].count) };
    if
    :: d_step { busy--; append(s, sent[s].count); printf("%c logs it as entry %d\n", NAME(s), LAST(s)) }
    :: d_step { faults -> busy--; faults--; printf("the worker dies\n") }
    fi
  od
}

#define DIES \
  d_step { \
    faults && RELAYS_DIE -> \
    faults--; \
    shard[d].holder = (shard[d].holder == r + 1 -> 0 : shard[d].holder); \
    mine = 0; \
    printf("relay %d dies\n", r) \
  }

#define FORGET busy--; src = 0; newest = 0; after = 0; life = 0; first = 0; size = 0; e1 = 0; e2 = 0; last = 0

/* A relay pulls for its shard d, while it believes that it has the lease. */
proctype Relay(byte r; byte d) {
  byte mine, src, newest, after, life, first, last, size, e1, e2;
end_free:
  if
  :: d_step {
      shard[d].open && (ANY_WORK(d) || ANY_REPORT(d)) && (r == FIRST_RELAY(d) || shard[d].led) &&
        (!shard[d].holder || (shard[d].holder != r + 1 && faults && RELAYS_FREEZE)) ->
      faults = (shard[d].holder -> faults - 1 : faults);
      shard[d].token++;
      shard[d].led = 1;
      shard[d].holder = r + 1;
      mine = shard[d].token;
      printf("relay %d takes the lease on %c with token %d\n", r, NAME(d), mine)
    }
  fi;
end_leads:
  if
  :: DIES; goto end_free
  :: d_step { WORK(0, d) -> src = 0; read_mark(d) }; goto reads
  :: d_step { WORK(1, d) -> src = 1; read_mark(d) }; goto reads
  :: d_step { TO_REPORT(0, d) -> busy++; src = 0; read_lowest(d) }; goto reports
  :: d_step { TO_REPORT(1, d) -> busy++; src = 1; read_lowest(d) }; goto reports
#if SHARDS > 2
  :: d_step { WORK(2, d) -> src = 2; read_mark(d) }; goto reads
  :: d_step { TO_REPORT(2, d) -> busy++; src = 2; read_lowest(d) }; goto reports
#endif
  fi;
reads:
  if
  :: d_step {
      !shard[src].away ->
      pull(d);
      printf("relay %d reads %d entries of %c, the first is %d of life %d; the mark was %d\n", r, size, NAME(src), first, life, after)
    }
#if FAILOVER
  :: d_step {
      faults && shard[src].old.life ->
      faults--;
      pull_old(d);
      printf("relay %d reads %d entries of the former master of %c, the first is %d of life %d\n", r, size, NAME(src), first, life)
    }
#endif
  :: d_step { shard[src].away && !WAIT_FOR_SOURCE -> FORGET }; goto end_leads
  :: DIES; d_step { FORGET }; goto end_free
  fi;
  if
  :: d_step { !size && (first <= after + 1 || GAP_NEEDS_ENTRY) -> FORGET }; goto end_leads
  :: size || (first > after + 1 && !GAP_NEEDS_ENTRY)
  fi;
  if
  :: d_step {
      !MARK_OUTSIDE ->
      apply(d);
      if
      :: ok_ -> raise_mark(d); printf("relay %d applies them on %c\n", r, NAME(d))
      :: else -> printf("relay %d is refused by %c\n", r, NAME(d))
      fi;
      ok_ = 0;
      FORGET
    }
  :: d_step { MARK_OUTSIDE -> apply(d); size = (ok_ -> size : 0); ok_ = 0; printf("relay %d applies them on %c\n", r, NAME(d)) };
    if
    :: d_step { if :: size -> raise_mark(d) :: else fi; FORGET; printf("relay %d raises the mark\n", r) }
    :: DIES; d_step { FORGET }; goto end_free
    fi
  :: DIES; d_step { FORGET }; goto end_free
  fi;
  if
  :: mine -> goto end_leads
  :: else -> goto end_free
  fi;
reports:
  if
  :: d_step {
      !shard[src].away ->
      report(d);
      printf("relay %d reports entry %d of life %d to %c, which keeps what is after %d\n", r, first, life, NAME(src), BASE(src));
      FORGET
    }
  :: d_step { shard[src].away && !WAIT_FOR_SOURCE -> FORGET }
  :: DIES; d_step { FORGET }; goto end_free
  fi;
  goto end_leads
}

/* An interface server, with one connection. */
proctype InterfaceServer(byte v) {
end:
  do
  :: d_step {
      server[v].alive && server[v].registered && len(inbox[v]) ->
      hear(v)
    }
  :: d_step { TO_BEAT(v, 0) -> beat(v, 0); printf("a heartbeat of server %d: it has heard A up to entry %d\n", v, server[v].at[0].seq) }
  :: d_step { TO_BEAT(v, 1) -> beat(v, 1); printf("a heartbeat of server %d: it has heard B up to entry %d\n", v, server[v].at[1].seq) }
#if SHARDS > 2
  :: d_step { TO_BEAT(v, 2) -> beat(v, 2); printf("a heartbeat of server %d: it has heard C up to entry %d\n", v, server[v].at[2].seq) }
#endif
  :: d_step {
      server[v].alive && !server[v].registered -> register(v); printf("server %d registers again\n", v)
    }
  :: d_step { /* a new server has heard all that its shard has applied */
      STARTS && v == 0 && !started ->
      started = 1;
      server[v].alive = 1;
      server[v].registered = 1;
      server[v].record = 1;
      for (i : 0 .. SHARDS - 1) {
        server[v].at[i].life = NEWEST(HOME(v), i);
        server[v].at[i].seq = MARK(HOME(v), i, NEWEST(HOME(v), i))
      }
      i = 0;
      printf("server %d starts\n", v)
    }
  :: d_step {
      JOINS && v == 0 && server[v].alive && server[v].registered && !server[v].member && !server[v].closed ->
      server[v].member = 1;
      server[v].part = !TWO_STEP_JOIN;
      busy++;
      printf("the connection of server %d joins\n", v)
    };
    if
    :: d_step { TWO_STEP_JOIN -> busy--; server[v].part = 1; printf("its shard notes it\n") }
    :: d_step { DIRECTORY -> busy--; listed = 1; printf("the directory lists it\n") }
    :: d_step { !TWO_STEP_JOIN && !DIRECTORY -> busy-- }
    fi
  :: d_step {
      CLOSES && v == 0 && server[v].alive && server[v].record -> close(v); printf("the connection of server %d closes\n", v)
    }
  :: d_step {
      SERVERS_DIE && faults && v == 0 && server[v].alive ->
      faults--;
      server[v].alive = 0;
      server[v].registered = 0;
      for (k : 0 .. SHARDS - 1) { server[v].due[k] = 0; server[v].at[k].life = 0; server[v].at[k].seq = 0 }
      k = 0;
      do
      :: len(inbox[v]) -> inbox[v]?source_, life_, seq_, what_
      :: else -> break
      od;
      source_ = 0; life_ = 0; seq_ = 0; what_ = 0;
      if
      :: !shard[HOME(v)].open -> open_if_complete(HOME(v))
      :: else
      fi;
      printf("server %d dies\n", v)
    }
  :: d_step { /* any worker cleans up, on the shard of the dead */
      !server[v].alive && server[v].record -> close(v); printf("a worker cleans up after %d\n", v)
    }
  od
}

proctype Failures() {
end:
  do
  :: d_step { faults && MAY_LOSE(0) -> faults--; lose(0); printf("A loses its data: life %d\n", LIFE(0)) }
  :: d_step { faults && MAY_LOSE(1) -> faults--; lose(1); printf("B loses its data: life %d\n", LIFE(1)) }
#if SHARDS > 2
  :: d_step { faults && MAY_LOSE(2) -> faults--; lose(2); printf("C loses its data: life %d\n", LIFE(2)) }
#endif
  :: d_step { faults && LEAVES && !shard[0].away -> faults--; shard[0].away = 1; printf("A is away\n") }
  :: d_step {
      faults && LATE && !shard[1].open -> 
      faults--;
      shard[1].open = 1;
      shard[1].fresh = 0;
      shard[1].hurried = 1;
      printf("B waits for its servers no longer\n")
    }
  od
}

init {
  atomic {
    for (i : 0 .. SHARDS - 1) {
      LIFE(i) = 1;
      shard[i].open = 1
    }
    for (v_ : 0 .. SERVERS - 1) {
      server[v_].alive = (v_ > 0 || !STARTS);
      server[v_].registered = server[v_].alive;
      server[v_].record = server[v_].alive;
      server[v_].member = (v_ > 0 || (!JOINS && !FAR_JOINS));
      server[v_].part = server[v_].member
    }
    for (i : 0 .. SHARDS - 1) {
      if
      :: SENDS(i) -> run Sender(i)
      :: else
      fi
    }
    for (i : 0 .. RELAYS - 1) { run Relay(i, TO(i)) }
    for (i : 0 .. SERVERS - 1) { run InterfaceServer(i) }
    i = 0;
    run Failures()
  }
  /* From here on it looks when nobody has anything to do. Its steps change nothing. */
  do
  :: d_step { AT_REST -> examine() };
progress:
    skip
  od
}
