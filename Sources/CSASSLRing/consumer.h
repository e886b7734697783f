// What the files of the reader's side share.
#ifndef SASSL_RING_CONSUMER_H
#define SASSL_RING_CONSUMER_H

#include "internal.h"

#pragma GCC visibility push(hidden)

/// A batch that was handed out and not yet given back, in the order in which they were handed out.
struct lease {
  struct lease *next;
  struct sassl_ring_mapping *mapping;
  uint64_t identifier;
  uint64_t sequence;
  uint64_t number;
  bool counts;    // towards reader_next; not after a seek
  bool occupies;  // a slot of the current instance; not once it was moved aside (to private memory), nor where the instance is an
                  // earlier one
  bool pinned;    // where it lies: a device copies it from there, and sees no private memory that takes its place
};

struct sassl_ring_consumer {
  struct fork_guard guard;
  // Protects everything below; never held while waiting.
  pthread_mutex_t mutex;
  struct sassl_ring_mapping *current;  // the instance last attached to, which may be dead; NULL only before the first
  int lock_descriptor;                 // of current
  char *settings;                      // of current, a private copy
  struct lease *leases;
  uint64_t next_identifier;
  uint64_t wanted;      // number of the batch to hand out next
  uint64_t taken;       // sequences of current that were handed out or dropped
  uint64_t dropped;
  uint64_t generation;  // of our last seek request on current
  uint64_t waited_ns;
  uint64_t absent_since;
  uint64_t absence_timeout_ns;
  char path[4096];
  uint32_t world_size;  // that the reader was told, or that it met at first; 0 for any
  int64_t owner_id;     // of a user whose ring may be read besides those of the trusted ones
  uid_t owner;          // of current; its successors must have the same
  bool superseded;      // current's successor exists, or is about to
  bool emptied;         // current is dead and drained, and its memory was given back
  bool verify;
  bool accept_change;
  bool continues;        // no batch number is known yet: take the ring's word for it
  bool is_unconfirmed;   // the last batch was let go by a finalizer: it counts as read once another is asked for
  uint64_t unconfirmed;  // its number
  unsigned waiters;      // threads in `next`; atomic
  bool detached;         // nothing is read any more; the lock goes with the last batch that could not be moved aside
  bool forgotten;        // nobody refers to it but the batches that are held; it is freed with the last of them
  sassl_ring_hook hook;
  void *hook_context;
};

// consumer_attach.c

/// Attaches to whatever live instance there is now. Mutex held.
int consumer_try_attach(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error);

// consumer_position.c

/// Writes down what is released, for the producer and for the next reader. Mutex held.
int consumer_commit(struct sassl_ring_consumer *consumer);
/// Asks the producer for `wanted`. Mutex held.
int consumer_request_seek(struct sassl_ring_consumer *consumer);
/// Asks again for what is wanted where a stray write has undone what we asked, and in any case when `must_ask`. Mutex held.
int consumer_repeat_request(struct sassl_ring_consumer *consumer, bool must_ask);
/// Reads how far the producer is, not believing more than is possible. Mutex held.
int consumer_read_published(struct sassl_ring_consumer *consumer, uint64_t *published, struct sassl_ring_error *error);
/// Makes sure that `wanted` is on its way: published, about to be, or asked for. Mutex held.
int consumer_ensure_requested(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error);

// consumer_read.c

/// Counts the batch that was let go last as read, where its finalizer left that open. Mutex held.
int consumer_confirm_last(struct sassl_ring_consumer *consumer);

// consumer_leases.c

/// The lease behind a batch that was handed out; NULL when it was given back. Mutex held.
struct lease *consumer_find_lease(const struct sassl_ring_consumer *consumer, uint64_t identifier);
/// True while a device copies a batch of the current instance. Mutex held.
bool consumer_is_copied_from(const struct sassl_ring_consumer *consumer);
/// Lets the next reader in where we are detached, unless a batch lies in a slot that only we protect. Mutex held.
void consumer_give_up_lock(struct sassl_ring_consumer *consumer);
/// Moves every batch that is held to private memory, so that its slot is free. On an error some may have been moved, and all stay
/// readable; one that is pinned is an error. Mutex held.
int consumer_move_leases_aside(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error);

// consumer_succession.c

/// True when nothing can come from the current instance any more. Take once more after this: what the producer
/// published before it went is complete and final only now.
bool consumer_has_no_producer(struct sassl_ring_consumer *consumer);
/// Looks for a successor. TIMEOUT when there is one now, and while there is still hope. Mutex held.
int consumer_find_successor(struct sassl_ring_consumer *consumer, bool *found, struct sassl_ring_error *error);
/// Moves on to the successor that has read our position before we last changed it, so that it learns the new one now and
/// not only at the next `next`: should we die in between, the batch just released would be repeated. Mutex held.
int consumer_follow_successor(struct sassl_ring_consumer *consumer);

// consumer.c

int consumer_fail_forked(struct sassl_ring_error *error);
int consumer_fail_closed(struct sassl_ring_error *error);
int consumer_fail_corrupt(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error, const char *what);

#pragma GCC visibility pop

#endif
