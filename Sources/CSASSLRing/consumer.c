// The reader's handle: what may be asked of it, and its end.
#define _GNU_SOURCE
#include "consumer.h"

#include <stdlib.h>
#include <string.h>

int consumer_fail_forked(struct sassl_ring_error *error) {
  return fail(error, SASSL_RING_ERROR_FORKED, 0,
              "this reader was attached by the parent process; a child cannot use it (attach in the process that reads, "
              "and use no worker processes)");
}

int consumer_fail_closed(struct sassl_ring_error *error) {
  return fail(error, SASSL_RING_ERROR_STATE, 0, "this reader was closed: attach anew");
}

int consumer_fail_corrupt(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error, const char *what) {
  return fail(error, SASSL_RING_ERROR_CORRUPT, 0, "%s: %s", consumer->path, what);
}

uint64_t sassl_ring_consumer_position(const struct sassl_ring_consumer *consumer) { return consumer->wanted; }

const struct sassl_ring_geometry *sassl_ring_consumer_geometry(const struct sassl_ring_consumer *consumer) {
  return &consumer->current->geometry;
}

const struct sassl_ring_field *sassl_ring_consumer_fields(const struct sassl_ring_consumer *consumer) {
  return consumer->current->fields;
}

const char *sassl_ring_consumer_settings(const struct sassl_ring_consumer *consumer) { return consumer->settings; }

void sassl_ring_consumer_describe(struct sassl_ring_consumer *consumer, struct sassl_ring_geometry *geometry, char *settings) {
  bool own = !fork_guard_tripped(&consumer->guard);
  if (own) pthread_mutex_lock(&consumer->mutex);  // in a forked child another thread may have held it for ever
  *geometry = consumer->current->geometry;
  if (settings != NULL) strcpy(settings, consumer->settings);
  if (own) pthread_mutex_unlock(&consumer->mutex);
}

void sassl_ring_consumer_counters(struct sassl_ring_consumer *consumer, struct sassl_ring_counters *counters) {
  bool own = !fork_guard_tripped(&consumer->guard);
  if (own) pthread_mutex_lock(&consumer->mutex);  // in a forked child another thread may have held it for ever
  segment_counters(consumer->current, consumer->lock_descriptor, NULL, own, counters);
  if (own) pthread_mutex_unlock(&consumer->mutex);
}

void sassl_ring_consumer_abandon(struct sassl_ring_consumer *consumer) {
  fork_guard_leave(&consumer->guard);
  drop_lock(consumer->lock_descriptor, SASSL_RING_CONSUMER_LOCK);
  while (consumer->leases != NULL) {
    struct lease *lease = consumer->leases;
    consumer->leases = lease->next;
    sassl_ring_mapping_release(lease->mapping);
    free(lease);
  }
  if (consumer->current != NULL) sassl_ring_mapping_release(consumer->current);
  free(consumer->settings);
  pthread_mutex_destroy(&consumer->mutex);
  free(consumer);
}

void sassl_ring_consumer_forget(struct sassl_ring_consumer *consumer) {
  // In a forked child it stays: a batch that is let go there looks whose it is.
  if (fork_guard_tripped(&consumer->guard)) return;
  pthread_mutex_lock(&consumer->mutex);
  consumer->forgotten = true;
  bool is_over = consumer->leases == NULL;
  pthread_mutex_unlock(&consumer->mutex);
  if (is_over) sassl_ring_consumer_abandon(consumer);
}

int sassl_ring_consumer_close(struct sassl_ring_consumer *consumer) {
  // Every release was written when it happened, so there is nothing left to say: a clean end and a crash look the same.
  sassl_ring_consumer_abandon(consumer);
  return SASSL_RING_OK;
}
