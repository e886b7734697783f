// Filling: reserves slots, which are filled in any order, and publishes them in the order of the stream.
#define _GNU_SOURCE
#include "producer.h"

#include <inttypes.h>

/// The sequence to fill next, if its slot is free. Mutex held.
static bool choose_slot(struct sassl_ring_producer *producer, uint64_t *sequence, uint64_t *number) {
  for (uint64_t earlier = producer->copy.published; earlier < producer->next_sequence; earlier++) {
    struct producer_slot *slot = producer_slot_of(producer, earlier);
    if (slot->state == SLOT_REOPENED) {
      *sequence = earlier;
      *number = slot->number;
      return true;
    }
  }
  uint64_t next = producer->next_sequence;
  if (next - producer->released_seen >= producer->mapping->geometry.slot_count) return false;
  if (producer_slot_of(producer, next)->state != SLOT_IDLE) return false;
  if (producer->next_number > SASSL_RING_MAXIMUM_NUMBER) return false;
  *sequence = next;
  *number = producer->next_number;
  producer->next_sequence++;
  producer->next_number++;
  return true;
}

static void begin_wait(struct sassl_ring_producer *producer) {
  producer->waiters++;
  producer_count_filling(producer);
}

static void end_wait(struct sassl_ring_producer *producer) {
  producer->waiters--;
  producer_count_filling(producer);
}

int producer_fail_not_serving(struct sassl_ring_error *error) {
  return fail(error, SASSL_RING_ERROR_STATE, 0, "this ring was finished, or is being made anew");
}

/// For how long the batch that was in the slot of `sequence` before was there; 0 where there was none of the present seek. Mutex held,
/// and the slot is free.
static uint64_t former_ns(const struct sassl_ring_producer *producer, uint64_t sequence) {
  if (sequence < producer->mapping->geometry.slot_count) return 0;
  const struct sassl_ring_slot *former = mapping_slot(producer->mapping, sequence);
  // What a slot that was published says is ours alone to write; one that a seek has overtaken may never have been read.
  if (former->generation != producer->copy.seek_acknowledged) return 0;
  uint64_t now = monotonic_ns(), published = LOAD(former->published_ns);
  return now > published ? now - published : 0;
}

static int try_reserve(struct sassl_ring_producer *producer, struct sassl_ring_reservation *reservation,
                       struct sassl_ring_error *error) {
  if (producer->stage != STAGE_SERVING) return producer_fail_not_serving(error);
  int code = producer_obey_seek(producer, error);
  if (code == SASSL_RING_OK) code = producer_read_released(producer, error);
  if (code != SASSL_RING_OK) return code;
  uint64_t sequence, number, reserved_before = producer->next_sequence;
  if (!choose_slot(producer, &sequence, &number)) return SASSL_RING_TIMEOUT;
  struct producer_slot *slot = producer_slot_of(producer, sequence);
  slot->state = SLOT_RESERVED;
  slot->sequence = sequence;
  slot->number = number;
  slot->generation = producer->copy.seek_acknowledged;
  reservation->sequence = sequence;
  reservation->number = number;
  reservation->generation = slot->generation;
  reservation->slot = (uint32_t)(sequence % producer->mapping->geometry.slot_count);
  reservation->reserved = 0;
  // A slot that was given back unfilled was told of when it was reserved first.
  reservation->former_ns = sequence == reserved_before ? former_ns(producer, sequence) : 0;
  reservation->payload = mapping_payload(producer->mapping, sequence);
  producer_count_filling(producer);
  STEP(producer, SASSL_RING_STEP_SLOT_CHOSEN);
  return SASSL_RING_OK;
}

void producer_await_change(struct sassl_ring_mapping *mapping, uint32_t signal, uint64_t limit_ns) {
  futex_wait(&mapping->header->released_signal, signal, limit_ns < WAIT_SLICE_NS ? limit_ns : WAIT_SLICE_NS);
}

int sassl_ring_producer_reserve(struct sassl_ring_producer *producer, uint64_t timeout_ns,
                                struct sassl_ring_reservation *reservation, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&producer->guard)) return producer_fail_forked(error);
  uint64_t start = monotonic_ns();
  bool waiting = false;
  for (;;) {
    pthread_mutex_lock(&producer->mutex);
    struct sassl_ring_mapping *mapping = producer->mapping;
    // Read before the counters: whatever changes them after our look changes this word too, and the futex will not sleep.
    uint32_t signal = LOAD(mapping->header->released_signal);
    int code = try_reserve(producer, reservation, error);
    uint64_t elapsed = monotonic_ns() - start;
    bool finished = code != SASSL_RING_TIMEOUT || elapsed >= timeout_ns;
    if (finished && waiting) end_wait(producer);
    if (!finished && !waiting) begin_wait(producer), waiting = true;
    pthread_mutex_unlock(&producer->mutex);
    if (finished) return code;
    producer_await_change(mapping, signal, timeout_ns - elapsed);
  }
}

/// The slot of a reservation that is still out, or NULL if it was given back already. Mutex held.
static struct producer_slot *outstanding(struct sassl_ring_producer *producer,
                                         const struct sassl_ring_reservation *reservation) {
  struct producer_slot *slot = producer_slot_of(producer, reservation->sequence);
  bool out = slot->state == SLOT_RESERVED || slot->state == SLOT_VOID;
  bool same = slot->sequence == reservation->sequence && slot->number == reservation->number &&
              slot->generation == reservation->generation;
  return out && same ? slot : NULL;
}

int sassl_ring_producer_is_void(struct sassl_ring_producer *producer, const struct sassl_ring_reservation *reservation) {
  if (fork_guard_tripped(&producer->guard)) return 1;
  pthread_mutex_lock(&producer->mutex);
  // What is wrong with the request is for `reserve` to say.
  producer_obey_seek(producer, NULL);
  struct producer_slot *slot = outstanding(producer, reservation);
  bool is_void = slot == NULL || slot->state == SLOT_VOID;
  pthread_mutex_unlock(&producer->mutex);
  return is_void;
}

static int end_void(struct sassl_ring_producer *producer, struct producer_slot *slot) {
  slot->state = SLOT_IDLE;
  producer_count_filling(producer);
  futex_raise(&producer->mapping->header->released_signal);
  return SASSL_RING_VOID;
}

static int fail_not_outstanding(struct sassl_ring_error *error, const struct sassl_ring_reservation *reservation) {
  return fail(error, SASSL_RING_ERROR_STATE, 0, "batch %" PRIu64 " was published or given back already",
              reservation->number);
}

/// Publishes everything that is next in order. Mutex held.
static int publish_ready(struct sassl_ring_producer *producer) {
  struct sassl_ring_header *header = producer->mapping->header;
  struct producer_copy *copy = &producer->copy;
  while (copy->published < producer->next_sequence) {
    struct producer_slot *slot = producer_slot_of(producer, copy->published);
    if (slot->state != SLOT_WRITTEN) break;
    slot->state = SLOT_IDLE;
    STORE(mapping_slot(producer->mapping, copy->published)->published_ns, monotonic_ns());
    copy->published++;
    copy->next_batch = slot->number + 1;
    STORE(header->next_batch, copy->next_batch);
    // Release, pairs with the acquire load in consumer_read_published: slot entry and payload, by whichever thread of ours
    // written, come first.
    STORE(header->published, copy->published);
    STEP(producer, SASSL_RING_STEP_PUBLISHED);
  }
  producer_rewrite_header(producer);
  futex_raise(&header->published_signal);
  return SASSL_RING_OK;
}

static int publish_locked(struct sassl_ring_producer *producer, const struct sassl_ring_reservation *reservation,
                          struct sassl_ring_error *error) {
  struct producer_slot *slot = outstanding(producer, reservation);
  if (slot == NULL) return fail_not_outstanding(error, reservation);
  int code = producer_obey_seek(producer, error);
  if (code != SASSL_RING_OK) return code;
  if (slot->state == SLOT_VOID) return end_void(producer, slot);
  slot->state = SLOT_WRITTEN;
  producer_count_filling(producer);
  return publish_ready(producer);
}

int sassl_ring_producer_publish(struct sassl_ring_producer *producer, const struct sassl_ring_reservation *reservation,
                                const struct sassl_ring_batch *batch, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&producer->guard)) return producer_fail_forked(error);
  if (batch->count > producer->mapping->geometry.batch_size) {
    return fail(error, SASSL_RING_ERROR_ARGUMENT, 0, "%u samples do not fit a batch of %u", batch->count,
                producer->mapping->geometry.batch_size);
  }
  pthread_mutex_lock(&producer->mutex);
  struct producer_slot *mine = outstanding(producer, reservation);
  int code = mine == NULL ? fail_not_outstanding(error, reservation) : SASSL_RING_OK;
  if (mine != NULL && mine->state == SLOT_VOID) code = end_void(producer, mine);
  pthread_mutex_unlock(&producer->mutex);
  if (code != SASSL_RING_OK) return code;

  // The slot is ours alone until it is WRITTEN, so none of this needs the mutex, and threads compute checksums side by side.
  struct sassl_ring_slot *slot = mapping_slot(producer->mapping, reservation->sequence);
  slot->number = reservation->number;
  slot->epoch = batch->epoch;
  slot->step = batch->step;
  STEP(producer, SASSL_RING_STEP_HALF_WRITTEN);
  slot->sequence = reservation->sequence;
  slot->generation = reservation->generation;
  slot->count = batch->count;
  slot->checksum = sassl_ring_crc32c(0, mapping_payload(producer->mapping, reservation->sequence),
                                     producer->mapping->geometry.payload_bytes);
  slot->production_ns = batch->production_ns;
  STEP(producer, SASSL_RING_STEP_WRITTEN);
  pthread_mutex_lock(&producer->mutex);
  code = publish_locked(producer, reservation, error);
  pthread_mutex_unlock(&producer->mutex);
  return code;
}

int sassl_ring_producer_cancel(struct sassl_ring_producer *producer, const struct sassl_ring_reservation *reservation,
                               struct sassl_ring_error *error) {
  if (fork_guard_tripped(&producer->guard)) return producer_fail_forked(error);
  pthread_mutex_lock(&producer->mutex);
  struct producer_slot *slot = outstanding(producer, reservation);
  int code = SASSL_RING_OK;
  if (slot == NULL) {
    code = fail_not_outstanding(error, reservation);
  } else if (slot->state == SLOT_VOID) {
    end_void(producer, slot);
  } else {
    slot->state = SLOT_REOPENED;
    producer_count_filling(producer);
    futex_raise(&producer->mapping->header->released_signal);
  }
  pthread_mutex_unlock(&producer->mutex);
  return code;
}
