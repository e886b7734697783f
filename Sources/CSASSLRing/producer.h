// What the files of the producer's side share.
#ifndef SASSL_RING_PRODUCER_H
#define SASSL_RING_PRODUCER_H

#include "internal.h"

#pragma GCC visibility push(hidden)

/// What the producer knows of a slot. A published slot is IDLE here: whether it may be filled again is said by `released`.
enum slot_state {
  SLOT_IDLE,
  SLOT_RESERVED,  // somebody fills it
  SLOT_WRITTEN,   // filled, waits for earlier ones
  SLOT_REOPENED,  // given back unfilled, to be reserved again
  SLOT_VOID,      // somebody fills it in vain, because of a seek
};

struct producer_slot {
  enum slot_state state;
  uint64_t sequence;
  uint64_t number;
  uint64_t generation;
};

/// Where a producer is in its life.
enum stage { STAGE_SERVING, STAGE_RENEWING, STAGE_FINISHED };

struct sassl_ring_producer {
  struct fork_guard guard;
  // Protects everything below and the order of publication; never held while waiting or computing a checksum.
  pthread_mutex_t mutex;
  struct sassl_ring_mapping *mapping;
  int lock_descriptor;
  uint64_t start;
  bool resumed;
  enum stage stage;
  struct producer_copy copy;
  uint64_t next_sequence;  // to be reserved next
  uint64_t next_number;    // to be reserved next
  uint64_t released_seen;
  uint64_t waiters;
  char path[4096];
  // What was asked for, for the next instance: copies of ours, but for the fields, which the mapping has.
  struct sassl_ring_producer_options options;
  char *directory;
  char *name;
  char *settings;
  sassl_ring_hook hook;
  void *hook_context;
  struct producer_slot slots[];
};

/// A ring's file, complete: what `segment_create` makes.
struct segment {
  struct sassl_ring_mapping *mapping;
  int lock_descriptor;
  uint64_t start;
  bool resumed;
};

/// What a dead predecessor left, with its producer lock in our hands.
struct predecessor {
  int descriptor;                      // -1 where there is none
  struct sassl_ring_mapping *mapping;  // NULL where there is none, or where the file is no ring
};

static inline struct producer_slot *producer_slot_of(struct sassl_ring_producer *producer, uint64_t sequence) {
  return &producer->slots[sequence % producer->mapping->geometry.slot_count];
}

// producer_layout.c

/// Computes offsets; `fields` (field_count of them) receives the completed table.
int producer_lay_out(const struct sassl_ring_producer_options *options, struct sassl_ring_geometry *geometry,
                     struct sassl_ring_field *fields, struct sassl_ring_error *error);

// producer_predecessor.c

/// A producer replaces files of its own user alone: whose a ring is does not change from one instance to the next.
int fail_other_owner(struct sassl_ring_error *error, const char *path, uid_t owner);
/// Finds what a dead predecessor left and takes its lock, so that nobody else replaces it meanwhile. `*stale` is -1 if there is
/// nothing.
int predecessor_claim(const char *path, int *stale, struct sassl_ring_error *error);
/// From now on nobody may attach to it, and its reader, if it has one, finishes and looks for us.
void predecessor_close(struct predecessor *predecessor, const char *path);
/// Where the reader of a dead predecessor stands, if that made the same stream.
bool predecessor_find_position(const struct predecessor *predecessor, const struct sassl_ring_geometry *wanted,
                               uint64_t *number);
/// Gives the memory of a predecessor without a reader back. One with a reader does that itself once it has finished.
void predecessor_free_memory(const struct predecessor *predecessor);

// producer_segment.c

/// Makes a segment in the place of `predecessor`, whose producer lock we hold if there is one. Takes over `fields`. Whatever
/// happens, what `segment` has in the end is for the caller to give back.
int segment_create(struct sassl_ring_producer *producer, struct sassl_ring_geometry *geometry,
                   struct sassl_ring_field *fields, const struct predecessor *predecessor, struct segment *segment,
                   struct sassl_ring_error *error);
/// Gives back what a segment has that was not adopted.
void segment_discard(struct segment *segment);

// producer_header.c

/// Counts the slots that are being filled, and notes whether the producer waits for its reader. Mutex held.
void producer_count_filling(struct sassl_ring_producer *producer);
/// Writes our copy of the header's counters to the header: whatever a stray write did to them lasts until here. Mutex held.
void producer_rewrite_header(struct sassl_ring_producer *producer);
/// Tells the reader that nothing more will come. Mutex held.
void producer_store_closed(struct sassl_ring_producer *producer);
/// Takes back every reservation and what waits to be published. Mutex held.
void producer_void_reservations(struct sassl_ring_producer *producer);
/// Obeys a new seek request, if there is one. Only here, and once and for all, is it decided that a reservation is void: a count
/// that shows for a moment and goes again cannot make one half of a batch's makers believe in a seek. Mutex held.
int producer_obey_seek(struct sassl_ring_producer *producer, struct sassl_ring_error *error);
/// Reads how far the consumer is, not believing more than is possible. Mutex held.
int producer_read_released(struct sassl_ring_producer *producer, struct sassl_ring_error *error);

// producer_fill.c

int producer_fail_not_serving(struct sassl_ring_error *error);
/// Sleeps until the consumer, or another thread, has changed something. `mapping` cannot go meanwhile: a ring is made anew by the
/// thread that reserves.
void producer_await_change(struct sassl_ring_mapping *mapping, uint32_t signal, uint64_t limit_ns);

// producer.c

int producer_fail_forked(struct sassl_ring_error *error);
/// Unlinks `path` if it is still the file behind `descriptor`, whose producer lock we hold.
void producer_remove_own(const char *path, int descriptor);
/// Starts anew with a segment in which nothing has happened yet. Mutex held, or nobody else there yet.
void producer_adopt(struct sassl_ring_producer *producer, const struct segment *segment);

#pragma GCC visibility pop

#endif
