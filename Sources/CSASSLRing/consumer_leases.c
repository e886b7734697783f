// Leases, the batches that were handed out: given back one by one, moved to private memory where their slots are needed, or kept
// beyond the reader's end.
#define _GNU_SOURCE
#include "consumer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static bool any_occupies(const struct sassl_ring_consumer *consumer) {
  for (const struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) {
    if (lease->occupies) return true;
  }
  return false;
}

struct lease *consumer_find_lease(const struct sassl_ring_consumer *consumer, uint64_t identifier) {
  struct lease *lease = consumer->leases;
  while (lease != NULL && lease->identifier != identifier) lease = lease->next;
  return lease;
}

bool consumer_is_copied_from(const struct sassl_ring_consumer *consumer) {
  for (const struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) {
    if (lease->occupies && lease->pinned) return true;
  }
  return false;
}

int consumer_move_leases_aside(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error) {
  for (struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) {
    if (!lease->occupies) continue;
    if (lease->pinned) {
      return fail(error, SASSL_RING_ERROR_STATE, 0, "batch %" PRIu64 " of %s is still being copied to a device", lease->number,
                  consumer->path);
    }
    int code = mapping_move_aside(lease->mapping, lease->sequence, consumer->path, error);
    if (code != SASSL_RING_OK) return code;
    lease->occupies = false;
  }
  return SASSL_RING_OK;
}

static void free_lease(struct lease *lease) {
  sassl_ring_mapping_release(lease->mapping);
  free(lease);
}

/// Takes a lease out of the list; NULL when it is not in there. Mutex held.
static struct lease *remove_lease(struct sassl_ring_consumer *consumer, uint64_t identifier) {
  struct lease **link = &consumer->leases;
  while (*link != NULL && (*link)->identifier != identifier) link = &(*link)->next;
  struct lease *lease = *link;
  if (lease != NULL) *link = lease->next;
  return lease;
}

void consumer_give_up_lock(struct sassl_ring_consumer *consumer) {
  if (!consumer->detached || any_occupies(consumer)) return;
  drop_lock(consumer->lock_descriptor, SASSL_RING_CONSUMER_LOCK);
  consumer->lock_descriptor = -1;
}

/// Maps the current instance once more: batches that are moved aside hide their slots in the mapping that they came from, which
/// they keep. Mutex held.
static int map_again(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error) {
  const struct sassl_ring_geometry *geometry = &consumer->current->geometry;
  struct sassl_ring_field *fields = calloc(geometry->field_count, sizeof *fields);
  if (fields == NULL) return fail(error, SASSL_RING_ERROR_SYSTEM, ENOMEM, "out of memory");
  memcpy(fields, consumer->current->fields, geometry->field_count * sizeof *fields);
  struct sassl_ring_mapping *mapping;
  int code = segment_map(consumer->lock_descriptor, consumer->path, geometry, fields, MAP_FOR_CONSUMER, &mapping, error);
  if (code != SASSL_RING_OK) return code;
  sassl_ring_mapping_release(consumer->current);
  consumer->current = mapping;
  return SASSL_RING_OK;
}

/// True when no slot is free, though not every slot is held (they are given back in their order), or though there are no more than
/// threads that ask, each of which may hold one until it has the next.
static bool blocks_itself(const struct sassl_ring_consumer *consumer) {
  uint64_t held = 0, slots = consumer->current->geometry.slot_count, oldest = consumer->taken;
  uint64_t asking = 1 + (uint64_t)__atomic_load_n(&consumer->waiters, __ATOMIC_RELAXED);
  for (const struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) {
    if (!lease->occupies) continue;
    if (lease->sequence < oldest) oldest = lease->sequence;
    held++;
  }
  return consumer->taken - oldest >= slots && (held < slots || slots <= asking);
}

int sassl_ring_consumer_make_room(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&consumer->guard)) return consumer_fail_forked(error);
  pthread_mutex_lock(&consumer->mutex);
  int code = consumer->detached ? consumer_fail_closed(error) : consumer_confirm_last(consumer);
  // A device that copies does so for a moment; what it copies stays.
  if (code == SASSL_RING_OK && blocks_itself(consumer) && !consumer_is_copied_from(consumer)) {
    // First: where the mapping is refused, nothing has been moved, and no slot is read through one in which a copy hides it.
    code = map_again(consumer, error);
    if (code == SASSL_RING_OK) code = consumer_move_leases_aside(consumer, error);
    if (code == SASSL_RING_OK) code = consumer_commit(consumer);
  }
  if (code == SASSL_RING_OK) code = consumer_follow_successor(consumer);
  pthread_mutex_unlock(&consumer->mutex);
  return code;
}

int sassl_ring_consumer_detach(struct sassl_ring_consumer *consumer, int done, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&consumer->guard)) return consumer_fail_forked(error);
  pthread_mutex_lock(&consumer->mutex);
  int code = SASSL_RING_OK;
  if (consumer->detached) {
    code = consumer_fail_closed(error);
  } else {
    consumer->detached = true;
    code = consumer_move_leases_aside(consumer, error);
    if (done) {
      consumer->is_unconfirmed = false;
      for (struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) lease->counts = false;
      int committed = consumer_commit(consumer);
      if (code == SASSL_RING_OK) code = committed;
      if (code == SASSL_RING_OK) code = consumer_follow_successor(consumer);
    }
    consumer_give_up_lock(consumer);
  }
  pthread_mutex_unlock(&consumer->mutex);
  return code;
}

/// What follows when a lease is over. Mutex held.
static int end_lease(struct sassl_ring_consumer *consumer, struct lease *lease) {
  int code = SASSL_RING_OK;
  // Once detached, what counts as read was written down.
  if (!consumer->detached) code = consumer_commit(consumer);
  if (!consumer->detached && code == SASSL_RING_OK) code = consumer_follow_successor(consumer);
  free_lease(lease);
  consumer_give_up_lock(consumer);
  return code;
}

int sassl_ring_consumer_release(struct sassl_ring_consumer *consumer, uint64_t identifier, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&consumer->guard)) return consumer_fail_forked(error);
  pthread_mutex_lock(&consumer->mutex);
  struct lease *lease = remove_lease(consumer, identifier);
  int code = lease == NULL ? fail(error, SASSL_RING_ERROR_STATE, 0, "this batch was released already")
                           : end_lease(consumer, lease);
  pthread_mutex_unlock(&consumer->mutex);
  return code;
}

static bool process_ends;  // atomic

void sassl_ring_process_ends(void) { STORE(process_ends, true); }

void sassl_ring_lease_end(struct sassl_ring_lease *held) {
  struct sassl_ring_consumer *consumer = held->consumer;
  held->consumer = NULL;
  if (consumer == NULL || LOAD(process_ends) || fork_guard_tripped(&consumer->guard)) return;
  pthread_mutex_lock(&consumer->mutex);
  struct lease *lease = remove_lease(consumer, held->identifier);
  bool is_latest = held->identifier + 1 == consumer->next_identifier;
  bool is_asked = __atomic_load_n(&consumer->waiters, __ATOMIC_RELAXED) > 0;
  if (lease != NULL && is_latest && lease->counts && !held->done && !is_asked) {
    consumer->is_unconfirmed = true;
    consumer->unconfirmed = lease->number;
  }
  if (lease != NULL) end_lease(consumer, lease);
  bool is_over = consumer->forgotten && consumer->leases == NULL;
  pthread_mutex_unlock(&consumer->mutex);
  if (is_over) sassl_ring_consumer_abandon(consumer);
}
