// The counters in the header: what the producer tells its reader, and what it takes from it.
#define _GNU_SOURCE
#include "producer.h"

#include <inttypes.h>

/// Books the time spent waiting for the reader: somebody wants a slot, and every slot holds a finished batch. While one is
/// still being filled, the wait is for ourselves. Mutex held.
static void count_waiting(struct sassl_ring_producer *producer) {
  struct sassl_ring_header *header = producer->mapping->header;
  struct producer_copy *copy = &producer->copy;
  bool waits = producer->waiters > 0 && copy->producing == 0;
  if (waits == (copy->waiting_since_ns != 0)) return;
  uint64_t now = monotonic_ns();
  if (!waits) copy->waited_ns += now - copy->waiting_since_ns;
  copy->waiting_since_ns = waits ? now : 0;
  STORE(header->producer_waiting_since_ns, copy->waiting_since_ns);
  STORE(header->producer_waited_ns, copy->waited_ns);
}

void producer_count_filling(struct sassl_ring_producer *producer) {
  uint64_t count = 0;
  for (uint32_t index = 0; index < producer->mapping->geometry.slot_count; index++) {
    enum slot_state state = producer->slots[index].state;
    count += state == SLOT_RESERVED || state == SLOT_VOID;
  }
  producer->copy.producing = count;
  STORE(producer->mapping->header->producing, count);
  count_waiting(producer);
}

void producer_rewrite_header(struct sassl_ring_producer *producer) {
  struct sassl_ring_header *header = producer->mapping->header;
  struct producer_copy *copy = &producer->copy;
  copy->heartbeat_ns = monotonic_ns();
  STORE(header->heartbeat_ns, copy->heartbeat_ns);
  STORE(header->next_batch, copy->next_batch);
  STORE(header->published, copy->published);
  STORE(header->seek_acknowledged, copy->seek_acknowledged);
  STORE(header->producing, copy->producing);
  STORE(header->producer_waited_ns, copy->waited_ns);
  STORE(header->producer_waiting_since_ns, copy->waiting_since_ns);
  STORE(header->producer_state, copy->state);
}

void producer_store_closed(struct sassl_ring_producer *producer) {
  producer->copy.state = SASSL_RING_CLOSED;
  STORE(producer->mapping->header->producer_state, SASSL_RING_CLOSED);
}

void producer_void_reservations(struct sassl_ring_producer *producer) {
  for (uint32_t index = 0; index < producer->mapping->geometry.slot_count; index++) {
    struct producer_slot *slot = &producer->slots[index];
    if (slot->state == SLOT_RESERVED) slot->state = SLOT_VOID;
    else if (slot->state != SLOT_VOID) slot->state = SLOT_IDLE;
  }
  producer->next_sequence = producer->copy.published;
}

int producer_obey_seek(struct sassl_ring_producer *producer, struct sassl_ring_error *error) {
  struct sassl_ring_header *header = producer->mapping->header;
  // Acquire, pairs with the release store in consumer_request_seek: the target read next is that request's, or a newer one's.
  uint64_t requested = LOAD(header->seek_requested);
  // A count that falls behind is no request. So one that flickers is obeyed once at most.
  if (!is_newer(requested, producer->copy.seek_acknowledged)) return SASSL_RING_OK;
  uint64_t target = LOAD(header->seek_target);
  if (target > SASSL_RING_MAXIMUM_NUMBER) {
    return fail(error, SASSL_RING_ERROR_CORRUPT, 0,
                "the reader asked for the impossible batch %" PRIu64 ": something scribbled over the header of %s", target,
                producer->path);
  }
  STEP(producer, SASSL_RING_STEP_SEEK_NOTED);
  producer_void_reservations(producer);
  producer->copy.seek_acknowledged = requested;
  producer->copy.next_batch = target;
  producer->next_number = target;
  STORE(header->next_batch, target);
  STORE(header->seek_acknowledged, requested);
  STEP(producer, SASSL_RING_STEP_SEEK_ACKNOWLEDGED);
  // The consumer may be waiting for a batch that it now knows must be asked for; and a `reserve` in another thread can go on.
  futex_raise(&header->published_signal);
  futex_raise(&header->released_signal);
  return SASSL_RING_OK;
}

int producer_read_released(struct sassl_ring_producer *producer, struct sassl_ring_error *error) {
  // Acquire, pairs with the release store in consumer_commit: the consumer's reads of those payloads are over.
  uint64_t released = LOAD(producer->mapping->header->released);
  if (released < producer->released_seen || released > producer->copy.published) {
    return fail(error, SASSL_RING_ERROR_CORRUPT, 0,
                "the reader claims to have released %" PRIu64 " batches of %" PRIu64 " published, after %" PRIu64
                ": something scribbled over the header of %s",
                released, producer->copy.published, producer->released_seen, producer->path);
  }
  producer->released_seen = released;
  return SASSL_RING_OK;
}

void sassl_ring_producer_heartbeat(struct sassl_ring_producer *producer) {
  if (fork_guard_tripped(&producer->guard)) return;
  pthread_mutex_lock(&producer->mutex);
  producer_rewrite_header(producer);
  pthread_mutex_unlock(&producer->mutex);
}

void sassl_ring_producer_counters(struct sassl_ring_producer *producer, struct sassl_ring_counters *counters) {
  bool own = !fork_guard_tripped(&producer->guard);
  if (own) pthread_mutex_lock(&producer->mutex);  // in a forked child another thread may have held it for ever
  segment_counters(producer->mapping, producer->lock_descriptor, own ? &producer->copy : NULL, false, counters);
  if (own) pthread_mutex_unlock(&producer->mutex);
}
