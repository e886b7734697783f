// Where the reader is: what it tells the producer and the next reader, and how it asks for another batch.
#define _GNU_SOURCE
#include "consumer.h"

#include <inttypes.h>

int consumer_commit(struct sassl_ring_consumer *consumer) {
  struct sassl_ring_mapping *current = consumer->current;
  uint64_t reader_next = consumer->wanted, released = consumer->taken;
  bool counted = false, held = false;
  for (struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) {
    if (lease->counts && !counted) reader_next = lease->number, counted = true;
    if (lease->occupies && !held) released = lease->sequence, held = true;
  }
  if (consumer->is_unconfirmed && consumer->unconfirmed < reader_next) reader_next = consumer->unconfirmed;
  struct sassl_ring_header *header = current->header;
  STORE(header->taken, consumer->taken);
  STORE(header->dropped, consumer->dropped);
  STORE(header->reader_next, reader_next);
  STEP(consumer, SASSL_RING_STEP_RELEASE_NOTED);
  // Release, pairs with the acquire load in producer_read_released: our reads of those payloads are over. And after reader_next:
  // a reader that dies in between leaves batches that its successor skips by their number, never one that it repeats.
  STORE(header->released, released);
  STEP(consumer, SASSL_RING_STEP_RELEASED);
  futex_raise(&header->released_signal);
  // Pairs with the fence in predecessor_find_position: either a successor that read our position before this store has already
  // stored SUPERSEDED, and we see that and go and tell it; or it reads what we have just stored.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  consumer->superseded = LOAD(header->producer_state) == SASSL_RING_SUPERSEDED;
  return SASSL_RING_OK;
}

int consumer_request_seek(struct sassl_ring_consumer *consumer) {
  struct sassl_ring_header *header = consumer->current->header;
  STORE(header->seek_target, consumer->wanted);
  STEP(consumer, SASSL_RING_STEP_SEEK_TARGETED);
  consumer->generation++;
  // Release, pairs with the acquire load in producer_obey_seek: the target is there when the request is.
  STORE(header->seek_requested, consumer->generation);
  STEP(consumer, SASSL_RING_STEP_SEEK_REQUESTED);
  futex_raise(&header->released_signal);
  return SASSL_RING_OK;
}

int consumer_repeat_request(struct sassl_ring_consumer *consumer, bool must_ask) {
  struct sassl_ring_header *header = consumer->current->header;
  uint64_t acknowledged = LOAD(header->seek_acknowledged);
  // A seek that nobody has asked for: ours comes after it.
  if (is_newer(acknowledged, consumer->generation)) consumer->generation = acknowledged, must_ask = true;
  if (must_ask) return consumer_request_seek(consumer);
  if (LOAD(header->seek_requested) == consumer->generation) return SASSL_RING_OK;
  STORE(header->seek_target, consumer->wanted);
  STORE(header->seek_requested, consumer->generation);
  futex_raise(&header->released_signal);
  return SASSL_RING_OK;
}

int consumer_read_published(struct sassl_ring_consumer *consumer, uint64_t *published, struct sassl_ring_error *error) {
  // Acquire, pairs with the release store in publish_ready: slots below this count are complete.
  *published = LOAD(consumer->current->header->published);
  if (*published < consumer->taken || *published - consumer->taken > consumer->current->geometry.slot_count) {
    return consumer_fail_corrupt(consumer, error, "the producer's counters are impossible");
  }
  return SASSL_RING_OK;
}

int consumer_ensure_requested(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error) {
  struct sassl_ring_header *header = consumer->current->header;
  uint64_t published, again;
  do {
    int code = consumer_read_published(consumer, &published, error);
    if (code != SASSL_RING_OK) return code;
    for (uint64_t sequence = consumer->taken; sequence < published; sequence++) {
      const struct sassl_ring_slot *slot = mapping_slot(consumer->current, sequence);
      if (slot->generation == consumer->generation && slot->number == consumer->wanted) return SASSL_RING_OK;
    }
    // A request under way may be that of a reader that died, and the producer may have read another target for it than
    // stands there now. Only our own says what will come.
    if (LOAD(header->seek_acknowledged) != consumer->generation) return consumer_request_seek(consumer);
    // Acquire above pairs with the release store in producer_obey_seek: this next_batch is of that generation or newer.
    uint64_t next = LOAD(header->next_batch);
    if (consumer->wanted >= next && consumer->wanted - next < consumer->current->geometry.slot_count) {
      return SASSL_RING_OK;
    }
    // If something was published while we looked, it may be the batch that we want: look again rather than seek.
    again = LOAD(header->published);
  } while (again != published);
  return consumer_request_seek(consumer);
}

int sassl_ring_consumer_seek(struct sassl_ring_consumer *consumer, uint64_t number, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&consumer->guard)) return consumer_fail_forked(error);
  if (number > SASSL_RING_MAXIMUM_NUMBER) {
    return fail(error, SASSL_RING_ERROR_ARGUMENT, 0, "batch numbers end at %" PRIu64, SASSL_RING_MAXIMUM_NUMBER);
  }
  pthread_mutex_lock(&consumer->mutex);
  if (consumer->detached) {
    pthread_mutex_unlock(&consumer->mutex);
    return consumer_fail_closed(error);
  }
  for (struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) lease->counts = false;
  consumer->wanted = number;
  consumer->continues = false;
  consumer->is_unconfirmed = false;
  int code = consumer_commit(consumer);
  if (code == SASSL_RING_OK) code = consumer_ensure_requested(consumer, error);
  if (code == SASSL_RING_OK) code = consumer_follow_successor(consumer);
  pthread_mutex_unlock(&consumer->mutex);
  return code;
}
