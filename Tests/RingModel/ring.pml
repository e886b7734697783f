/*
 * The batch ring's protocol, for spin: producer, reader, seek, and the death of either at any step, searched exhaustively.
 *
 * Each step makes at most one access to shared memory, a lock, or the name, in the order of the C code; the comments
 * name the C functions. A process may die after any write (to die after a read leaves the same world behind). What is
 * proved, for the sizes below:
 *
 *   - a reader is never handed a batch whose release had returned, and none is left out, whoever dies, in whatever order
 *   - what a reader is handed is complete: written before it was published, not written over, not emptied
 *   - a producer never writes to a slot that the reader may still read
 *   - no deadlock, and no wake-up is lost: time-outs serve for nothing but noticing the death of the other side
 *   - with -DLIVE: the reader reaches its last batch, so every wait ends
 *   - with -DSTRAYS=n: so it is where the count of seeks shows another value for a moment, n times, as a stray write makes it that is
 *     undone; and no batch is handed out that a worker took for void
 *
 *   - with -DMOVES=n: so it is where the reader moves a batch that it holds to private memory, n times, and gives its slot back while the
 *     batch still counts as held
 *
 * Defining BREAK_FOLLOW, BREAK_SEEK or BREAK_WAKE, or with strays BREAK_VOID or BREAK_REPEAT, takes one of the protocol's
 * precautions away, and spin then finds what goes wrong without it.
 *
 * Tests/BatchRingTests/ModelTests.swift runs it; by hand:
 *
 *   spin -DSEEKS=1 -a ring.pml && cc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m1000000
 */

#ifndef SLOTS
#define SLOTS 1
#endif
#ifndef LAST
#define LAST 2 /* the reader stops before this batch number */
#endif
#ifndef PRODUCER_DEATHS
#define PRODUCER_DEATHS 0
#endif
#ifndef READER_DEATHS
#define READER_DEATHS 0
#endif
#ifndef SEEKS
#define SEEKS 0
#endif
#ifndef STRAYS
#define STRAYS 0
#endif
#ifndef MOVES
#define MOVES 0
#endif

#define INSTANCES (PRODUCER_DEATHS + 1)
#define NONE 15

mtype = { absent, serving, closed, superseded };

typedef Instance {
  bool producer_lock;
  bool consumer_lock;
  mtype state = absent;
  byte published;
  byte next_batch;
  byte seek_acknowledged;
  byte released;
  byte reader_next;
  byte seek_target;
  byte seek_requested;
  bool published_signal; /* the futex word has changed since its sleeper last read it */
  bool released_signal;
  byte number[SLOTS];
  byte generation[SLOTS];
  bool writing[SLOTS]; /* ghost: the producer is at it */
  bool reading[SLOTS]; /* ghost: leased */
  bool torn[SLOTS];    /* ghost: a worker has left its picture out */
  bool emptied;        /* ghost: the payload's memory was given back to the system */
}

Instance ring[INSTANCES];
byte named = NONE; /* which instance has the name */
byte born;         /* instances made so far */

byte producer_deaths = PRODUCER_DEATHS;
byte reader_deaths = READER_DEATHS;
byte seeks = SEEKS;
bool finished;

/* Ghosts: what the trainer knows. The first batch that the next reader is handed lies between these two, or is the target of
   a seek that had begun. */
byte returned;      /* lowest batch whose release has not returned */
byte begun;         /* lowest batch whose release has not begun */
byte sought = NONE; /* target of a seek that has not returned */

#define DIE(deaths) if :: deaths > 0 -> deaths--; goto died :: true fi
#define IS_SERVED(instance) (ring[instance].producer_lock && ring[instance].state == serving)

/* Nobody can look at a slot that is released or an instance that both have left, so what is in there is no state. */
inline forget_slot(instance, at) {
  ring[instance].number[at] = 0;
  ring[instance].generation[at] = 0;
  ring[instance].torn[at] = 0
}

inline forget_instance(instance) {
  if
  :: ring[instance].producer_lock || ring[instance].consumer_lock || named == instance -> skip
  :: else ->
    ring[instance].published = 0; ring[instance].next_batch = 0; ring[instance].seek_acknowledged = 0;
    ring[instance].released = 0; ring[instance].reader_next = 0; ring[instance].seek_target = 0;
    ring[instance].seek_requested = 0; ring[instance].published_signal = 0; ring[instance].released_signal = 0;
    ring[instance].state = absent; ring[instance].emptied = 0;
    clear = 0;
    do
    :: clear < SLOTS -> forget_slot(instance, clear); ring[instance].writing[clear] = 0; clear++
    :: else -> break
    od;
    clear = 0
  fi
}

active proctype Producer() {
  byte mine = NONE, old = NONE, published, generation, next, requested, target, slot, clear;

reborn:
  /* predecessor_claim */
  if
  :: named == NONE
  :: atomic {
      named != NONE -> assert(!ring[named].producer_lock); old = named; ring[old].producer_lock = true
    };
    d_step { ring[old].state = closed; ring[old].published_signal = true }; /* predecessor_close */
    DIE(producer_deaths);
    /* reserve_bytes: where memory lacks, predecessor_free_memory */
    if
    :: atomic { !ring[old].consumer_lock -> ring[old].emptied = true }
    :: true
    fi
  fi;

  /* segment_create: nobody sees the new instance before it has its name */
  d_step {
    mine = born; born++;
    ring[mine].producer_lock = true;
    ring[mine].state = serving
  };
  if
  :: old != NONE ->
    ring[old].state = superseded; /* predecessor_find_position */
    DIE(producer_deaths);
    /* full fence */
    next = ring[old].reader_next
  :: else -> next = 0
  fi;
  d_step {
    ring[mine].next_batch = next; ring[mine].reader_next = next;
    named = mine /* name_segment */
  };
  DIE(producer_deaths);
  d_step {
    if
    :: old != NONE -> ring[old].producer_lock = false; forget_instance(old); old = NONE
    :: else
    fi
  };

  do
  :: finished -> break
  :: else ->
    /* reserve */
    ring[mine].released_signal = false; /* reads the futex word */
    atomic { /* producer_obey_seek: only a count that comes after the last one is a request */
      requested = ring[mine].seek_requested;
      if
      :: requested <= generation -> goto obeyed
      :: else
      fi
    };
obey:
    atomic { target = ring[mine].seek_target; generation = requested; requested = 0; next = target; target = 0 };
    ring[mine].next_batch = next;
    DIE(producer_deaths);
    ring[mine].seek_acknowledged = generation;
    DIE(producer_deaths);
    ring[mine].published_signal = true;

obeyed:
    atomic { /* producer_read_released */
      requested = 0;
      assert(ring[mine].released <= published);
      if
      :: published - ring[mine].released == SLOTS -> goto ring_full
      :: else -> slot = published % SLOTS
      fi
    };
    /* publish: what the workers write, they write into a slot of their own */
    d_step {
      assert(!ring[mine].reading[slot]);
      ring[mine].writing[slot] = true;
      ring[mine].number[slot] = next
    };
    DIE(producer_deaths);
#ifdef BREAK_VOID
    ring[mine].torn[slot] = ring[mine].seek_requested != generation; /* a worker that looks for itself whether to bother */
#endif
    d_step { ring[mine].generation[slot] = generation; ring[mine].writing[slot] = false };
    DIE(producer_deaths);
    atomic { /* publish_locked: a seek that is obeyed in the meantime makes the reservation void */
      requested = ring[mine].seek_requested;
      if
      :: requested > generation -> forget_slot(mine, slot); slot = 0; goto obey
      :: else -> requested = 0; slot = 0
      fi
    };
    d_step { next++; ring[mine].next_batch = next }; /* publish_ready */
    DIE(producer_deaths);
    d_step { published++; ring[mine].published = published };
    DIE(producer_deaths);
#ifndef BREAK_WAKE
    ring[mine].published_signal = true;
#endif
    goto looked;

ring_full: /* futex_wait; a dead reader is no reason to stop waiting, the next one will come */
    (ring[mine].released_signal || finished);
looked:
    skip
  od;

  /* close */
  skip;
  d_step { ring[mine].state = closed; ring[mine].published_signal = true };
  named = NONE;
  ring[mine].producer_lock = false;
  goto ended;

died: /* the kernel drops the locks; a file without a name is gone, and so is the worker's half-written slot */
  skip;
  d_step {
    if
    :: mine != NONE ->
      ring[mine].producer_lock = false;
      if
      :: named != mine -> forget_instance(mine); born--
      :: else -> ring[mine].writing[slot] = false
      fi
    :: else
    fi;
    if :: old != NONE -> ring[old].producer_lock = false; forget_instance(old) :: else fi;
    mine = NONE; old = NONE; published = 0; generation = 0; next = 0; requested = 0; target = 0; slot = 0
  };
  goto reborn;

ended:
  skip
}

active proctype Reader() {
  byte current = NONE, instance, wanted, taken, generation, published, held = NONE, sequence, slot, clear;
  byte moves = MOVES;
  bool continues = true, follows, found, seeking, dropping, must_ask;

attach:
  atomic { /* try_open, lock_candidate */
    if
    :: named == NONE || named == current -> goto missed
    :: else -> instance = named
    fi
  };
  atomic {
    if
    :: !ring[instance].producer_lock -> instance = 0; goto missed
    :: else -> assert(!ring[instance].consumer_lock); ring[instance].consumer_lock = true
    fi
  };
  if
  :: named != instance -> goto moved
  :: else
  fi;
  atomic { /* full fence */
    if
    :: ring[instance].state != serving -> goto moved
    :: else ->
      if :: current != NONE -> ring[current].consumer_lock = false; forget_instance(current) :: else fi;
      current = instance; instance = 0; follows = false
    fi
  };
  DIE(reader_deaths);
  /* take_over */
  d_step { generation = ring[current].seek_requested; taken = ring[current].released };
#if STRAYS
  atomic {
    if
    :: ring[current].seek_acknowledged > generation -> generation = ring[current].seek_acknowledged
    :: else
    fi
  };
#endif
  atomic {
    if
    :: continues ->
      wanted = ring[current].reader_next; continues = false;
      /* Nothing that was done comes again, and nothing is left out. */
      assert((wanted >= returned && wanted <= begun) || wanted == sought);
      returned = wanted; begun = wanted; sought = NONE
    :: else
    fi
  };
  goto commit;

moved:
  skip;
  d_step { ring[instance].consumer_lock = false; forget_instance(instance); instance = 0 };

missed: /* consumer_find_successor, consumer_follow_successor: look again when there may be something to see */
  if
  :: atomic { named != NONE && named != current && IS_SERVED(named) -> goto attach }
  :: atomic { follows && named == current && !ring[current].producer_lock -> goto committed } /* FOLLOW_TIMEOUT */
  fi;

commit: /* with wanted as it is, and nothing held */
  skip;
  ring[current].reader_next = wanted;
  DIE(reader_deaths);
  d_step {
    clear = ring[current].released;
    do
    :: clear < taken -> forget_slot(current, clear % SLOTS); clear++
    :: else -> break
    od;
    clear = 0;
    ring[current].released = taken
  };
  DIE(reader_deaths);
  ring[current].released_signal = true;
#ifndef BREAK_FOLLOW
  /* full fence */
  follows = ring[current].state == superseded;
#endif
  if
  /* take: consumer_ensure_requested has nothing to do: nothing was asked for */
  :: dropping && found -> dropping = false; found = false; must_ask = false; goto aligned
  :: dropping && !found && must_ask -> dropping = false; must_ask = false; goto request
  :: dropping && !found && !must_ask -> dropping = false; follows = false; goto nothing
  :: else
  fi;

align: /* several loads, any of which the producer may overtake */
  published = ring[current].published;
  d_step { /* slots between taken and published do not change */
    sequence = taken;
    do
    :: sequence < published ->
      slot = sequence % SLOTS;
      if
      :: ring[current].generation[slot] == generation && ring[current].number[slot] == wanted -> found = true
      :: else
      fi;
      sequence++
    :: else -> break
    od;
    sequence = 0; slot = 0
  };
  if
  :: found -> found = false; goto aligned
  :: else
  fi;
  if
  :: ring[current].seek_acknowledged != generation ->
#ifdef BREAK_SEEK
    if :: ring[current].seek_target == wanted -> goto aligned :: else fi;
#endif
    goto request
  :: else
  fi;
  if
  :: wanted >= ring[current].next_batch && wanted - ring[current].next_batch < SLOTS -> goto aligned
  :: else
  fi;
  if
  :: ring[current].published != published -> goto align
  :: else
  fi;

request: /* consumer_request_seek */
  ring[current].seek_target = wanted;
  DIE(reader_deaths);
  d_step { generation++; ring[current].seek_requested = generation };
  DIE(reader_deaths);
  ring[current].released_signal = true;

aligned:
  published = 0;
  if
  :: follows -> goto attach /* consumer_follow_successor */
  :: else
  fi;

committed: /* release, seek or attach returns */
  skip;
  d_step {
    follows = false;
    if
    :: seeking -> returned = wanted; begun = wanted; sought = NONE; seeking = false
    :: else -> returned = begun
    fi
  };

  if
  :: wanted == LAST -> goto done
  :: else
  fi;
  if
  :: seeks > 0 && wanted > 0 ->
    /* back to the beginning */
    d_step { seeks--; seeking = true; sought = 0; wanted = 0 };
    goto commit
  :: true
  fi;

next:
  ring[current].published_signal = false; /* reads the futex word */
again:
  published = ring[current].published; /* take */
  d_step {
    assert(taken <= published && published - taken <= SLOTS);
    do
    :: taken < published && !found ->
      slot = taken % SLOTS;
      if
      :: ring[current].generation[slot] == generation && ring[current].number[slot] == wanted -> found = true
      :: else ->
        /* Without strays, no later batch is ever made for a reader's own request. */
        must_ask = must_ask || (ring[current].generation[slot] == generation && ring[current].number[slot] > wanted);
        assert(STRAYS > 0 || !must_ask);
        taken++; dropping = true
      fi
    :: else -> break
    od;
    published = 0; slot = 0
  };
  if
  :: dropping -> goto commit /* and then, if it was found, look again */
  :: found && !dropping -> skip
  :: !found && !dropping -> goto nothing
  fi;

  /* hand_out */
  d_step {
    found = false;
    slot = taken % SLOTS;
    assert(!ring[current].writing[slot] && !ring[current].emptied && !ring[current].torn[slot]);
    ring[current].reading[slot] = true;
    held = wanted; wanted++; taken++
  };
  DIE(reader_deaths);
#if MOVES
  if
  :: moves == 0
  :: moves > 0
  :: moves > 0 -> /* consumer_move_leases_aside, and then consumer_commit with the batch still held */
    d_step {
      assert(ring[current].number[slot] == held && !ring[current].writing[slot] && !ring[current].emptied);
      ring[current].reading[slot] = false; moves--
    };
    ring[current].reader_next = held;
    DIE(reader_deaths);
    d_step { forget_slot(current, slot); ring[current].released = taken; slot = NONE };
    DIE(reader_deaths);
    ring[current].released_signal = true;
    DIE(reader_deaths)
  fi;
#endif
  /* release */
  d_step {
    if
    :: slot == NONE /* its memory is the reader's own */
    :: else ->
      assert(ring[current].number[slot] == held && !ring[current].writing[slot] && !ring[current].emptied);
      ring[current].reading[slot] = false
    fi;
    begun = wanted; held = NONE; slot = 0
  };
  goto commit;

nothing:
#if STRAYS && !defined(BREAK_REPEAT)
  atomic { /* consumer_repeat_request: a seek that nobody has asked for */
    if
    :: ring[current].seek_acknowledged > generation -> generation = ring[current].seek_acknowledged; goto request
    :: else
    fi
  };
  if /* or one of ours that was undone */
  :: ring[current].seek_requested != generation ->
    ring[current].seek_target = wanted;
    ring[current].seek_requested = generation;
    ring[current].released_signal = true
  :: else
  fi;
#endif
  /* consumer_has_no_producer: then what it published is final, so look once more */
  if
  :: !IS_SERVED(current) ->
    if
    :: ring[current].published != taken -> goto again
    :: else -> ring[current].emptied = true; goto attach /* free_memory; consumer_find_successor */
    fi
  :: else
  fi;
  /* futex_wait; a time-out finds the producer dead, or what a stray write has done */
  (ring[current].published_signal || !IS_SERVED(current) ||
   (STRAYS > 0 && (ring[current].seek_requested != generation || ring[current].seek_acknowledged > generation)));
  goto next;

died: /* the kernel drops the lock; of leases it knows nothing */
  skip;
  d_step {
    if
    :: current != NONE ->
      clear = 0;
      do :: clear < SLOTS -> ring[current].reading[clear] = false; clear++ :: else -> break od;
      clear = 0;
      ring[current].consumer_lock = false; forget_instance(current)
    :: else
    fi;
    current = NONE; instance = 0; wanted = 0; taken = 0; generation = 0; published = 0; held = NONE; slot = 0;
    continues = true; follows = false; found = false; seeking = false; dropping = false; must_ask = false
  };
  goto attach;

done:
  finished = true;
  ring[current].consumer_lock = false
}

#if STRAYS
/* Somebody writes another count of seeks, and then the one that was there before. */
active proctype Stray() {
  byte strays = STRAYS, instance, kept;
  do
  :: atomic {
      strays > 0 && named != NONE && !finished ->
      instance = named; kept = ring[instance].seek_requested; ring[instance].seek_requested = kept + 1; strays--
    };
    d_step {
      /* Nobody looks at an instance that both sides have left. */
      if
      :: ring[instance].producer_lock || ring[instance].consumer_lock || named == instance ->
        ring[instance].seek_requested = kept
      :: else
      fi;
      instance = 0; kept = 0
    }
  :: strays == 0 || finished -> break
  od
}
#endif

#ifdef LIVE
ltl everyWaitEnds { <> finished }
#endif
