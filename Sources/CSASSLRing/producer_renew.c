// Renewal: a new instance in the place of one whose header was damaged, or that has lost its name.
#define _GNU_SOURCE
#include "producer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int sassl_ring_producer_is_named(struct sassl_ring_producer *producer) {
  return fork_guard_tripped(&producer->guard) || same_file(producer->lock_descriptor, producer->path);
}

/// What keeps a new instance from getting our name, found before the present one is given up.
static int find_obstacle(struct sassl_ring_producer *producer, struct sassl_ring_error *error) {
  if (access(producer->directory, W_OK | X_OK) != 0) {
    int cause = errno;
    return fail(error, SASSL_RING_ERROR_SYSTEM, cause,
                "no ring can be made in %s any more: %s. See that it can, and restart sassld", producer->directory,
                strerror(cause));
  }
  struct stat status;
  if (same_file(producer->lock_descriptor, producer->path) || lstat(producer->path, &status) != 0) return SASSL_RING_OK;
  if (status.st_uid != geteuid()) return fail_other_owner(error, producer->path, status.st_uid);
  return fail(error, SASSL_RING_ERROR_BUSY, 0, "another file has taken the place of the ring %s: remove it", producer->path);
}

/// Gives the present instance up, as far as that can be done now. TIMEOUT while reservations are out. Mutex held.
static int begin_renewal(struct sassl_ring_producer *producer, struct sassl_ring_error *error) {
  if (producer->stage == STAGE_FINISHED) return producer_fail_not_serving(error);
  int code = find_obstacle(producer, error);
  if (code != SASSL_RING_OK) return code;
  producer->stage = STAGE_RENEWING;
  producer_void_reservations(producer);
  producer_count_filling(producer);
  producer_store_closed(producer);
  futex_raise(&producer->mapping->header->published_signal);
  return producer->copy.producing == 0 ? SASSL_RING_OK : SASSL_RING_TIMEOUT;
}

int sassl_ring_producer_renew(struct sassl_ring_producer *producer, uint64_t timeout_ns, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&producer->guard)) return producer_fail_forked(error);
  uint64_t start = monotonic_ns();
  int code;
  for (;;) {
    pthread_mutex_lock(&producer->mutex);
    struct sassl_ring_mapping *mapping = producer->mapping;
    uint32_t signal = LOAD(mapping->header->released_signal);
    code = begin_renewal(producer, error);
    pthread_mutex_unlock(&producer->mutex);
    uint64_t elapsed = monotonic_ns() - start;
    if (code != SASSL_RING_TIMEOUT || elapsed >= timeout_ns) break;
    producer_await_change(mapping, signal, timeout_ns - elapsed);
  }
  if (code != SASSL_RING_OK) return code;
  // Without the mutex, for this may have to wait for memory. Nothing can change meanwhile: whoever reserves is refused.
  struct sassl_ring_mapping *former = producer->mapping;
  const struct predecessor predecessor = {.descriptor = producer->lock_descriptor, .mapping = former};
  struct sassl_ring_geometry geometry = former->geometry;
  size_t table_bytes = geometry.field_count * sizeof(struct sassl_ring_field);
  struct sassl_ring_field *fields = malloc(table_bytes);
  if (fields == NULL) return fail(error, SASSL_RING_ERROR_SYSTEM, ENOMEM, "out of memory");
  memcpy(fields, former->fields, table_bytes);
  struct segment segment = {.lock_descriptor = -1};
  producer->options.resume = 1;
  // Who renews waits by itself, and may be told to stop meanwhile.
  producer->options.space_timeout_ns = 0;
  producer->options.start_batch = producer->copy.next_batch;
  code = segment_create(producer, &geometry, fields, &predecessor, &segment, error);
  if (code != SASSL_RING_OK) {
    segment_discard(&segment);
    return code;
  }
  int former_lock = producer->lock_descriptor;
  pthread_mutex_lock(&producer->mutex);
  bool is_finished = producer->stage == STAGE_FINISHED;
  if (!is_finished) producer_adopt(producer, &segment);
  pthread_mutex_unlock(&producer->mutex);
  if (is_finished) {
    // Finished meanwhile: nobody would answer for the new file.
    producer_remove_own(producer->path, segment.lock_descriptor);
    segment_discard(&segment);
    return producer_fail_not_serving(error);
  }
  drop_lock(former_lock, SASSL_RING_PRODUCER_LOCK);
  sassl_ring_mapping_release(former);
  return SASSL_RING_OK;
}
