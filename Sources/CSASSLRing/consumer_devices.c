// Devices that copy batches by themselves: they read memory of the ring while no code of this process does, and know nothing of a
// batch that was moved. So they get a mapping of their own, and what they copy stays where it is until they are done.
#define _GNU_SOURCE
#include "consumer.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int sassl_ring_lease_pin(const struct sassl_ring_lease *held, uint64_t *offset) {
  struct sassl_ring_consumer *consumer = held->consumer;
  if (consumer == NULL || fork_guard_tripped(&consumer->guard)) return 0;
  pthread_mutex_lock(&consumer->mutex);
  struct lease *lease = consumer_find_lease(consumer, held->identifier);
  bool is_there = lease != NULL && lease->occupies;
  if (is_there) {
    lease->pinned = true;
    *offset = (uint64_t)(mapping_payload(lease->mapping, lease->sequence) - mapping_payload(lease->mapping, 0));
  }
  pthread_mutex_unlock(&consumer->mutex);
  return is_there;
}

void sassl_ring_lease_vacate(const struct sassl_ring_lease *held) {
  struct sassl_ring_consumer *consumer = held->consumer;
  if (consumer == NULL || fork_guard_tripped(&consumer->guard)) return;
  pthread_mutex_lock(&consumer->mutex);
  struct lease *lease = consumer_find_lease(consumer, held->identifier);
  if (lease != NULL && lease->occupies) {
    lease->occupies = lease->pinned = false;
    if (!consumer->detached && consumer_commit(consumer) == SASSL_RING_OK) consumer_follow_successor(consumer);
    consumer_give_up_lock(consumer);
  }
  pthread_mutex_unlock(&consumer->mutex);
}

int sassl_ring_lease_map_slots(const struct sassl_ring_lease *held, int writable, void **slots, uint64_t *bytes,
                               struct sassl_ring_error *error) {
  struct sassl_ring_consumer *consumer = held->consumer;
  if (fork_guard_tripped(&consumer->guard)) return consumer_fail_forked(error);
  const struct sassl_ring_geometry *geometry = &held->mapping->geometry;
  int code = SASSL_RING_OK;
  pthread_mutex_lock(&consumer->mutex);
  if (consumer->detached) {
    code = consumer_fail_closed(error);
  } else if (memcmp(geometry->instance, consumer->current->geometry.instance, sizeof geometry->instance) != 0) {
    code = fail(error, SASSL_RING_ERROR_STATE, 0, "%s has a successor", consumer->path);
  } else {
    int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    *bytes = geometry->slot_count * geometry->slot_bytes;
    *slots = mmap(NULL, *bytes, protection, MAP_SHARED, consumer->lock_descriptor, (off_t)geometry->payload_offset);
    if (*slots == MAP_FAILED) {
      code = fail(error, SASSL_RING_ERROR_SYSTEM, errno, "cannot map %s: %s", consumer->path, strerror(errno));
    }
  }
  pthread_mutex_unlock(&consumer->mutex);
  return code;
}

void sassl_ring_slots_unmap(void *slots, uint64_t bytes) { munmap(slots, bytes); }
