// Succession: notices that the producer has gone, and moves on to the one that takes its place.
#define _GNU_SOURCE
#include "consumer.h"

#include <fcntl.h>
#include <inttypes.h>

/// How long a release waits for a successor that is being put in place to take note of it, and how often it looks.
#define FOLLOW_TIMEOUT_NS 1000000000ull
#define FOLLOW_POLL_NS 200000ull

bool consumer_has_no_producer(struct sassl_ring_consumer *consumer) {
  return mapping_has_no_producer(consumer->current, consumer->lock_descriptor);
}

/// Gives a dead, drained instance's memory back, which makes room for a successor where there is room for only one ring. The
/// header stays, for our position is in it. Mutex held.
static void free_memory(struct sassl_ring_consumer *consumer) {
  if (consumer->emptied) return;
  // What is still referred to, as by the variable of a loop that waits here, must not keep the successor out. Where a device copies
  // a batch, that comes first, and the next look does this.
  if (consumer_is_copied_from(consumer)) return;
  if (consumer_move_leases_aside(consumer, NULL) != SASSL_RING_OK) return;
  const struct sassl_ring_geometry *geometry = &consumer->current->geometry;
  fallocate(consumer->lock_descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)geometry->payload_offset,
            (off_t)(geometry->file_bytes - geometry->payload_offset));
  consumer->emptied = true;
}

int consumer_find_successor(struct sassl_ring_consumer *consumer, bool *found, struct sassl_ring_error *error) {
  free_memory(consumer);
  uint64_t now = monotonic_ns();
  if (consumer->absent_since == 0) consumer->absent_since = now;
  struct sassl_ring_error attempt;
  int code = consumer_try_attach(consumer, &attempt);
  *found = code == SASSL_RING_OK;
  if (*found) return SASSL_RING_TIMEOUT;
  if (code != SASSL_RING_ERROR_ABSENT) {
    if (error != NULL) *error = attempt;
    return code;
  }
  if (now - consumer->absent_since < consumer->absence_timeout_ns) return SASSL_RING_TIMEOUT;
  return fail(error, SASSL_RING_ERROR_ABSENT, 0,
              "sassld went away and did not come back within %" PRIu64 " s: %.300s. Batch %" PRIu64 " is next",
              consumer->absence_timeout_ns / UINT64_C(1000000000), attempt.message, consumer->wanted);
}

int consumer_follow_successor(struct sassl_ring_consumer *consumer) {
  uint64_t start = monotonic_ns();
  while (consumer->superseded && monotonic_ns() - start < FOLLOW_TIMEOUT_NS) {
    int code = consumer_try_attach(consumer, NULL);
    if (code == SASSL_RING_ABANDONED) return code;
    // Anything but "not yet" is for `next` to report; the release itself is done.
    if (code != SASSL_RING_ERROR_ABSENT) break;
    sleep_ns(FOLLOW_POLL_NS);
  }
  return SASSL_RING_OK;
}
