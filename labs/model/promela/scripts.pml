/* The scripts. Each is one step on one shard: it is called in a d_step. */

#define PUT(v, s, life, seq, what) \
  if \
  :: server[v].alive && server[v].registered -> \
    HOLDS(BOUNDED, len(inbox[v]) < ROOM); \
    inbox[v]!s, life, seq, what \
  :: else \
  fi

/* Append to the log of s. A log at its limit loses its oldest entry: nobody waits for the dead. */
inline append(s, what) {
  if
  :: LAST(s) - BASE(s) == LIMIT ->
    BASE(s)++;
    shard[s].log.entry[BASE(s)] = 0;
    shard[s].log.lossy = 1
  :: else
  fi;
  LAST(s)++;
  shard[s].log.entry[LAST(s)] = what
}

/* Ghost: the next message of s counts as committed. Those who are members now must hear a send. */
inline note_sent(s, is_send) {
  sent[s].count++;
  sent[s].life[sent[s].count] = LIFE(s);
  sent[s].seq[sent[s].count] = LAST(s) + 1;
  for (v_ : 0 .. SERVERS - 1) {
    if
    :: is_send && server[v_].alive && HOME(v_) != s &&
        (server[v_].member || (v_ == 0 && sent[s].join && !server[0].closed)) ->
      server[v_].due[s] = server[v_].due[s] | BIT(sent[s].count)
    :: else
    fi
  }
}

/* The connection of v ends. Its record makes that happen once. */
inline close(v) {
  if
  :: server[v].record || CLOSE_UNCHECKED ->
    server[v].disconnects++;
    server[v].record = 0;
    server[v].part = 0;
    server[v].member = 0;
    server[v].closed = 1;
    for (k : 0 .. SHARDS - 1) { server[v].due[k] = 0 }
  :: else
  fi;
  k = 0
}

/* Tell all servers of d that they miss what came before this place. */
inline tell_gap(d, s, life, seq) {
  for (v_ : 0 .. SERVERS - 1) {
    if
    :: HOME(v_) == d -> PUT(v_, s, life, seq, GAP)
    :: else
    fi
  }
}

inline apply_entry(d, s, epoch, number, what) {
  if
  :: what == BARE
  :: what == BAD -> /* as a message for a channel that is a member: no server is there to skip it */
    if
    :: OWN(d, s).life == IN_MARK(epoch) && number <= OWN(d, s).seq && !OWN_AGAIN && !NO_MARK
    :: else -> letters++
    fi
  :: what == CLOSE -> close(0)
  :: what == GAP -> tell_gap(d, s, epoch, number)
  :: what == JOIN ->
    if
    :: server[0].record || JOIN_UNCHECKED -> server[0].part = 1; PUT(0, s, epoch, number, JOIN)
    :: else
    fi
  :: else ->
    for (v_ : 0 .. SERVERS - 1) {
      if
      :: HOME(v_) == d && server[v_].part -> PUT(v_, s, epoch, number, what)
      :: else
      fi
    }
  fi
}

/*
 * Apply the batch of a relay on d: its own variables. The answer is in ok_.
 * A loss entry names the epochs before it, so those are known here, and refused.
 * The mark must be where the relay has read it. Entries that it did not find in the log are a gap.
 */
inline apply(d) {
  ok_ = 0;
  if
  :: !shard[d].open || (shard[d].token != mine && !NO_TOKEN_CHECK) -> mine = 0
  :: shard[d].open && (shard[d].token == mine || NO_TOKEN_CHECK) && life < LEAST(d, src) && !LEFT_EPOCHS
  :: else ->
    if
    :: SINGLE_MARK && NEWEST(d, src) != newest
    :: MARK(d, src, life) != after && !NO_MARK
    :: BAD_STOPS && (e1 == BAD || (size == 2 && e2 == BAD))
    :: else ->
      ok_ = 1;
      if
      :: first > after + 1 && !SILENT_GAP && !NO_MARK -> tell_gap(d, src, life, first - 1)
      :: first <= after + 1 && GAP_AT_NEXT_ENTRY && life > 1 && newest && newest != life ->
        tell_gap(d, src, life, first - 1)
      :: else
      fi;
      if
      :: size -> apply_entry(d, src, life, first, e1)
      :: else
      fi;
      if
      :: size == 2 && BAD_HALF && e2 == BAD -> ok_ = 0
      :: size == 2 && !(BAD_HALF && e2 == BAD) -> apply_entry(d, src, life, first + 1, e2)
      :: else
      fi
    fi
  fi
}

inline raise_mark(d) {
  MARK(d, src, life) = (CURSOR_SKIPS -> last : first + size - 1);
  if
  :: SINGLE_MARK && NEWEST(d, src) && NEWEST(d, src) != life -> MARK(d, src, NEWEST(d, src)) = 0
  :: else
  fi;
  NEWEST(d, src) = IN_MARK(life);
  LEAST(d, src) = (life > LEAST(d, src) && !NO_EPOCH_IN_MARK -> life : LEAST(d, src));
  if
  :: OWN(d, src).life == IN_MARK(life) && OWN(d, src).seq > MARK(d, src, life)
  :: else ->
    OWN(d, src).life = IN_MARK(life);
    OWN(d, src).seq = MARK(d, src, life)
  fi
}

/* Read on d how far it has applied the log of src. */
inline read_mark(d) {
  busy++;
  newest = NEWEST(d, src);
  after = MARK(d, src, newest)
}

/* Trim the log of s as far as all its destinations have reported. */
inline trim(s) {
  low_ = (TRIM_EARLY -> 0 : LAST(s));
  for (k : 0 .. SHARDS - 1) {
    if
    :: k == s || !TAKES(k)
    :: TRIM_REPORTED && !shard[s].log.done[k]
    :: else ->
      if
      :: TRIM_EARLY -> low_ = (shard[s].log.done[k] > low_ -> shard[s].log.done[k] : low_)
      :: else -> low_ = (shard[s].log.done[k] < low_ -> shard[s].log.done[k] : low_)
      fi
    fi
  }
  do
  :: BASE(s) < low_ -> BASE(s)++; shard[s].log.entry[BASE(s)] = 0
  :: else -> break
  od;
  k = 0;
  low_ = 0
}

#if FAILOVER
/* The same from the former master, which does not know that it is one. */
inline pull_old(d) {
  life = shard[src].old.life;
  after = (life == newest -> after : 0);
  first = (shard[src].old.base > after -> shard[src].old.base + 1 : after + 1);
  last = shard[src].old.last;
  if
  :: first > last -> size = 0
  :: else ->
    size = (last - first >= 1 -> 2 : 1);
    e1 = shard[src].old.entry[first];
    e2 = (size == 2 -> shard[src].old.entry[first + 1] : 0)
  fi
}
#endif

/*
 * Read from the log of src what comes after the mark that was read on d, and the counter.
 * A trimmed log may have nothing to read, though the counter is beyond the mark.
 */
inline pull(d) {
  life = LIFE(src);
  after = ((life == newest || NO_EPOCH_IN_MARK) -> after : 0);
  first = (BASE(src) > after || NO_MARK -> BASE(src) + 1 : after + 1);
  last = LAST(src);
  if
  :: first > LAST(src) -> size = 0
  :: else ->
    size = (LAST(src) - first >= 1 -> 2 : 1);
    e1 = shard[src].log.entry[first];
    e2 = (size == 2 -> shard[src].log.entry[first + 1] : 0)
  fi;
  if
  :: TRIM_ON_READ && size -> shard[src].log.done[d] = first + size - 1; trim(src)
  :: else
  fi
}

/* Read on d what all its servers have heard of src: as far as that, the log is done there. */
inline read_lowest(d) {
  life = LIFE(src);
  first = MARK(d, src, life);
  for (v_ : 0 .. SERVERS - 1) {
    if
    :: HOME(v_) == d && server[v_].registered && !TRIM_UNHEARD ->
      low_ = (server[v_].at[src].life == life -> server[v_].at[src].seq : 0);
      first = (low_ < first -> low_ : first)
    :: else
    fi
  }
  low_ = 0
}

/* The report of a relay, on src. One about another life says nothing. */
inline report(d) {
  if
  :: (LIFE(src) == life || REPORT_WITHOUT_EPOCH) && first > shard[src].log.done[d] ->
    shard[src].log.done[d] = first;
    trim(src)
  :: else
  fi
}

/* All servers of d that live have registered. */
inline open_if_complete(d) {
  ok_ = 1;
  for (v_ : 0 .. SERVERS - 1) {
    if
    :: HOME(v_) == d && server[v_].alive && !server[v_].registered -> ok_ = 0
    :: else
    fi
  }
  if
  :: ok_ -> shard[d].open = 1; shard[d].fresh = 0
  :: else
  fi;
  ok_ = 0
}

/*
 * Server v registers again after a loss, and says how far it has heard each source.
 * The mark goes back to the lowest. If they know different lives, it goes back to the beginning.
 */
inline register(v) {
  server[v].registered = 1;
  server[v].part = server[v].member;
  server[v].record = !server[v].closed;
  for (i : 0 .. SHARDS - 1) {
    life_ = server[v].at[i].life;
    seq_ = server[v].at[i].seq;
    LEAST(HOME(v), i) = (life_ > LEAST(HOME(v), i) -> life_ : LEAST(HOME(v), i));
    if
    :: i == HOME(v)
    :: i != HOME(v) && shard[HOME(v)].fresh ->
      NEWEST(HOME(v), i) = life_;
      MARK(HOME(v), i, life_) = seq_
    :: i != HOME(v) && !shard[HOME(v)].fresh && (KEEP_MARK || (LATE_KEEPS_MARK && shard[HOME(v)].open))
    :: i != HOME(v) && !shard[HOME(v)].fresh && !KEEP_MARK && !(LATE_KEEPS_MARK && shard[HOME(v)].open) ->
      if
      :: NEWEST(HOME(v), i) != life_ && KEEP_LIFE
      :: NEWEST(HOME(v), i) == life_ ->
        MARK(HOME(v), i, life_) = (seq_ < MARK(HOME(v), i, life_) -> seq_ : MARK(HOME(v), i, life_))
      :: NEWEST(HOME(v), i) != life_ && !KEEP_LIFE ->
        NEWEST(HOME(v), i) = 0;
        for (k : 0 .. LIVES - 1) { shard[HOME(v)].from[i].mark[k] = 0 }
      fi
    fi
  }
  shard[HOME(v)].fresh = 0;
  i = 0; k = 0; life_ = 0; seq_ = 0;
  if
  :: GO_ON_EARLY -> shard[HOME(v)].open = 1
  :: else -> open_if_complete(HOME(v))
  fi
}

/*
 * Shard s comes back empty. Old data are the same: the keys have the name of another life.
 * Its own log begins with an entry that tells of the loss.
 */
inline lose(s) {
#if FAILOVER
  shard[s].old.life = LIFE(s);
  shard[s].old.last = LAST(s);
  shard[s].old.base = BASE(s);
  for (i : 0 .. ENTRIES - 1) { shard[s].old.entry[i] = shard[s].log.entry[i] }
#endif
  LIFE(s) = (SAME_EPOCH -> LIFE(s) : LIFE(s) + 1);
  LAST(s) = 0;
  BASE(s) = 0;
  shard[s].log.lossy = 0;
  for (i : 0 .. ENTRIES - 1) { shard[s].log.entry[i] = 0 }
  for (i : 0 .. SHARDS - 1) {
    shard[s].log.done[i] = 0;
    NEWEST(s, i) = 0;
    LEAST(s, i) = 0;
    OWN(s, i).life = 0;
    OWN(s, i).seq = 0;
    for (k : 0 .. LIVES - 1) { shard[s].from[i].mark[k] = 0 }
  }
  if
  :: SENDS(s) && !GAP_AT_NEXT_ENTRY && !SAME_EPOCH -> append(s, GAP)
  :: else
  fi;
  for (v_ : 0 .. SERVERS - 1) {
    if
    :: HOME(v_) == s ->
      server[v_].registered = 0;
      server[v_].part = 0;
      server[v_].record = 0;
      do
      :: len(inbox[v_]) -> inbox[v_]?source_, life_, seq_, what_
      :: else -> break
      od
    :: else
    fi
  }
  source_ = 0; life_ = 0; seq_ = 0; what_ = 0; i = 0; k = 0;
  letters = (TAKES(s) -> 0 : letters); /* they are lost, too */
  shard[s].holder = 0;
  shard[s].token = (TOKEN_RESTARTS -> 0 : shard[s].token);
  shard[s].fresh = 1;
  shard[s].open = 0;
  open_if_complete(s)
}
