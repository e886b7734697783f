// Reading: takes batches in the order of the stream and waits for those that are not there yet.
#define _GNU_SOURCE
#include "consumer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/// Makes a lease of the batch in a slot. Mutex held.
static int hand_out(struct sassl_ring_consumer *consumer, const struct sassl_ring_slot *slot, struct sassl_ring_lease *lease,
                    struct sassl_ring_error *error) {
  struct sassl_ring_mapping *current = consumer->current;
  const unsigned char *payload = mapping_payload(current, slot->sequence);
  if (slot->count > current->geometry.batch_size) {
    return consumer_fail_corrupt(consumer, error, "a batch claims too many samples");
  }
  if (consumer->verify && sassl_ring_crc32c(0, payload, current->geometry.payload_bytes) != slot->checksum) {
    consumer->taken++;
    consumer->dropped++;
    int code = consumer_commit(consumer);
    if (code == SASSL_RING_OK) code = consumer_request_seek(consumer);  // the next call gets it made anew
    if (code != SASSL_RING_OK) return code;
    return fail(error, SASSL_RING_ERROR_CHECKSUM, 0,
                "batch %" PRIu64 " in %s does not match its checksum and was asked for again: memory is failing or something "
                "writes to the ring",
                slot->number, consumer->path);
  }
  struct lease *held = calloc(1, sizeof *held);
  if (held == NULL) return fail(error, SASSL_RING_ERROR_SYSTEM, ENOMEM, "out of memory");
  held->mapping = current;
  held->identifier = consumer->next_identifier++;
  held->sequence = slot->sequence;
  held->number = slot->number;
  held->counts = held->occupies = true;
  sassl_ring_mapping_retain(current);
  struct lease **end = &consumer->leases;
  while (*end != NULL) end = &(*end)->next;
  *end = held;
  consumer->wanted = slot->number + 1;
  consumer->taken++;
  STORE(current->header->taken, consumer->taken);
  STORE(current->handed_out[slot->sequence % current->geometry.slot_count], slot->number);
  *lease = (struct sassl_ring_lease){
      .identifier = held->identifier,
      .number = slot->number,
      .epoch = slot->epoch,
      .step = slot->step,
      .count = slot->count,
      .checksum = slot->checksum,
      .published_ns = slot->published_ns,
      .production_ns = slot->production_ns,
      .payload = payload,
      .mapping = current,
      .consumer = consumer,
  };
  STEP(consumer, SASSL_RING_STEP_LEASED);
  return SASSL_RING_OK;
}

/// Takes the next batch if it is there, dropping what is stale. TIMEOUT if it is not. Mutex held.
static int take(struct sassl_ring_consumer *consumer, struct sassl_ring_lease *lease, struct sassl_ring_error *error) {
  uint64_t published;
  int code = consumer_read_published(consumer, &published, error);
  bool found = false, must_ask = false;
  uint64_t dropped = consumer->dropped;
  struct sassl_ring_slot slot = {0};
  while (code == SASSL_RING_OK && !found && consumer->taken < published) {
    slot = *mapping_slot(consumer->current, consumer->taken);
    if (slot.sequence != consumer->taken) {
      return consumer_fail_corrupt(consumer, error, "a slot holds another sequence than it should");
    }
    found = slot.generation == consumer->generation && slot.number == consumer->wanted;
    if (found) break;
    // A later batch than ours, made for our own request, or one that is further behind than consumer_ensure_requested tolerates:
    // never so between correct programs, but asking again is always right.
    uint64_t tolerated = 2 * (uint64_t)consumer->current->geometry.slot_count;
    if (slot.generation == consumer->generation && slot.number + tolerated - consumer->wanted > tolerated) must_ask = true;
    consumer->taken++;
    consumer->dropped++;
  }
  if (code == SASSL_RING_OK && consumer->dropped != dropped) code = consumer_commit(consumer);
  if (code == SASSL_RING_OK && !found) code = consumer_repeat_request(consumer, must_ask);
  if (code != SASSL_RING_OK) return code;
  return found ? hand_out(consumer, &slot, lease, error) : SASSL_RING_TIMEOUT;
}

/// What `wait_for_change` sleeps on.
struct watch {
  struct sassl_ring_mapping *mapping;  // retained; NULL to sleep for a successor, whose arrival no futex announces
  uint32_t signal;
};

/// One look for the next batch. On TIMEOUT `watch` says what to wait for; nothing, and look again, when `*again`. Mutex held.
static int look(struct sassl_ring_consumer *consumer, struct sassl_ring_lease *lease, struct watch *watch, bool *again,
                struct sassl_ring_error *error) {
  // Read before the counters: whatever is published after our look changes this word, and the futex will not sleep.
  watch->signal = LOAD(consumer->current->header->published_signal);
  int code = take(consumer, lease, error);
  if (code == SASSL_RING_TIMEOUT && consumer_has_no_producer(consumer)) {
    code = take(consumer, lease, error);
    return code == SASSL_RING_TIMEOUT ? consumer_find_successor(consumer, again, error) : code;
  }
  if (code == SASSL_RING_TIMEOUT) {
    watch->mapping = consumer->current;
    sassl_ring_mapping_retain(watch->mapping);
  }
  return code;
}

/// Sleeps for at most `limit_ns`, which counts as the reader's waiting time: also where it is for a successor, in the header of the dead
/// instance.
static void wait_for_change(struct sassl_ring_consumer *consumer, const struct watch *watch, uint64_t limit_ns) {
  uint64_t since = monotonic_ns();
  if (watch->mapping == NULL) {
    sleep_ns(limit_ns < ARRIVAL_POLL_NS ? limit_ns : ARRIVAL_POLL_NS);
  } else {
    struct sassl_ring_header *header = watch->mapping->header;
    STORE(header->consumer_waiting_since_ns, since);
    futex_wait(&header->published_signal, watch->signal, limit_ns < WAIT_SLICE_NS ? limit_ns : WAIT_SLICE_NS);
    STORE(header->consumer_waiting_since_ns, 0);
  }
  pthread_mutex_lock(&consumer->mutex);
  consumer->waited_ns += monotonic_ns() - since;
  STORE(consumer->current->header->consumer_waited_ns, consumer->waited_ns);
  pthread_mutex_unlock(&consumer->mutex);
}

int consumer_confirm_last(struct sassl_ring_consumer *consumer) {
  if (!consumer->is_unconfirmed) return SASSL_RING_OK;
  consumer->is_unconfirmed = false;
  int code = consumer_commit(consumer);
  return code == SASSL_RING_OK ? consumer_follow_successor(consumer) : code;
}

int sassl_ring_consumer_next(struct sassl_ring_consumer *consumer, uint64_t timeout_ns, struct sassl_ring_lease *lease,
                             struct sassl_ring_error *error) {
  if (fork_guard_tripped(&consumer->guard)) return consumer_fail_forked(error);
  uint64_t start = monotonic_ns();
  __atomic_fetch_add(&consumer->waiters, 1, __ATOMIC_RELAXED);
  for (;;) {
    struct watch watch = {0};
    bool again = false;
    pthread_mutex_lock(&consumer->mutex);
    int code = consumer->detached ? consumer_fail_closed(error) : consumer_confirm_last(consumer);
    if (code == SASSL_RING_OK) code = look(consumer, lease, &watch, &again, error);
    pthread_mutex_unlock(&consumer->mutex);
    uint64_t elapsed = monotonic_ns() - start;
    bool finished = code != SASSL_RING_TIMEOUT || (elapsed >= timeout_ns && !again);
    if (!finished && !again) wait_for_change(consumer, &watch, timeout_ns - elapsed);
    if (watch.mapping != NULL) sassl_ring_mapping_release(watch.mapping);
    if (finished) {
      __atomic_fetch_sub(&consumer->waiters, 1, __ATOMIC_RELAXED);
      return code;
    }
  }
}
