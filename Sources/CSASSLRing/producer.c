// The producer's handle: created, asked, finished.
#define _GNU_SOURCE
#include "producer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int producer_fail_forked(struct sassl_ring_error *error) {
  return fail(error, SASSL_RING_ERROR_FORKED, 0, "this ring was created by the parent process; a child cannot use it");
}

void producer_adopt(struct sassl_ring_producer *producer, const struct segment *segment) {
  producer->mapping = segment->mapping;
  producer->lock_descriptor = segment->lock_descriptor;
  producer->start = segment->start;
  producer->resumed = segment->resumed;
  producer->stage = STAGE_SERVING;
  producer->copy = (struct producer_copy){
      .next_batch = segment->start, .heartbeat_ns = segment->mapping->geometry.created_ns, .state = SASSL_RING_SERVING};
  producer->next_sequence = 0;
  producer->next_number = segment->start;
  producer->released_seen = 0;
  memset(producer->slots, 0, segment->mapping->geometry.slot_count * sizeof *producer->slots);
}

static void free_producer(struct sassl_ring_producer *producer) {
  pthread_mutex_destroy(&producer->mutex);
  free(producer->directory);
  free(producer->name);
  free(producer->settings);
  free(producer);
}

static bool keep_options(struct sassl_ring_producer *producer, const struct sassl_ring_producer_options *options) {
  producer->directory = strdup(options->directory == NULL ? SASSL_RING_DEFAULT_DIRECTORY : options->directory);
  producer->name = strdup(options->name);
  producer->settings = strdup(options->settings == NULL ? "" : options->settings);
  producer->options = *options;
  producer->options.directory = producer->directory;
  producer->options.name = producer->name;
  producer->options.settings = producer->settings;
  producer->options.fields = NULL;
  producer->hook = options->hook;
  producer->hook_context = options->hook_context;
  return producer->directory != NULL && producer->name != NULL && producer->settings != NULL;
}

int sassl_ring_producer_create(const struct sassl_ring_producer_options *options, struct sassl_ring_producer **result,
                               struct sassl_ring_error *error) {
  *result = NULL;
  struct sassl_ring_geometry geometry;
  struct sassl_ring_field *fields = calloc(options->field_count + 1, sizeof *fields);
  if (fields == NULL) return fail(error, SASSL_RING_ERROR_SYSTEM, ENOMEM, "out of memory");
  int code = producer_lay_out(options, &geometry, fields, error);
  if (code != SASSL_RING_OK) {
    free(fields);
    return code;
  }
  struct sassl_ring_producer *producer =
      calloc(1, sizeof *producer + options->slot_count * sizeof(struct producer_slot));
  if (producer == NULL) {
    free(fields);
    return fail(error, SASSL_RING_ERROR_SYSTEM, ENOMEM, "out of memory");
  }
  pthread_mutex_init(&producer->mutex, NULL);
  struct segment segment = {.lock_descriptor = -1};
  struct predecessor predecessor = {.descriptor = -1};
  code = keep_options(producer, options) ? SASSL_RING_OK : fail(error, SASSL_RING_ERROR_SYSTEM, ENOMEM, "out of memory");
  if (code == SASSL_RING_OK) {
    code = sassl_ring_path(producer->directory, options->name, options->rank, producer->path, sizeof producer->path, error);
  }
  if (code == SASSL_RING_OK) code = predecessor_claim(producer->path, &predecessor.descriptor, error);
  if (code != SASSL_RING_OK) {
    free(fields);
  } else {
    if (predecessor.descriptor >= 0) predecessor_close(&predecessor, producer->path);
    code = segment_create(producer, &geometry, fields, &predecessor, &segment, error);
  }
  if (predecessor.mapping != NULL) sassl_ring_mapping_release(predecessor.mapping);
  if (predecessor.descriptor >= 0) close(predecessor.descriptor);
  if (code != SASSL_RING_OK) {
    segment_discard(&segment);
    free_producer(producer);
    return code;
  }
  producer_adopt(producer, &segment);
  fork_guard_enter(&producer->guard, &producer->lock_descriptor);
  *result = producer;
  return SASSL_RING_OK;
}

const struct sassl_ring_geometry *sassl_ring_producer_geometry(const struct sassl_ring_producer *producer) {
  return &producer->mapping->geometry;
}

const struct sassl_ring_field *sassl_ring_producer_fields(const struct sassl_ring_producer *producer) {
  return producer->mapping->fields;
}

uint64_t sassl_ring_producer_start(const struct sassl_ring_producer *producer) { return producer->start; }

int sassl_ring_producer_resumed(const struct sassl_ring_producer *producer) { return producer->resumed; }

void producer_remove_own(const char *path, int descriptor) {
  if (same_file(descriptor, path)) unlink(path);
}

static int finish(struct sassl_ring_producer *producer) {
  if (producer->stage == STAGE_FINISHED) return SASSL_RING_OK;
  producer_void_reservations(producer);
  producer->stage = STAGE_FINISHED;
  producer_store_closed(producer);
  STEP(producer, SASSL_RING_STEP_CLOSED);
  producer_remove_own(producer->path, producer->lock_descriptor);
  futex_raise(&producer->mapping->header->published_signal);
  return SASSL_RING_OK;
}

int sassl_ring_producer_finish(struct sassl_ring_producer *producer) {
  if (fork_guard_tripped(&producer->guard)) return producer_fail_forked(NULL);
  pthread_mutex_lock(&producer->mutex);
  int code = finish(producer);
  pthread_mutex_unlock(&producer->mutex);
  return code;
}

void sassl_ring_producer_abandon(struct sassl_ring_producer *producer) {
  fork_guard_leave(&producer->guard);
  drop_lock(producer->lock_descriptor, SASSL_RING_PRODUCER_LOCK);
  sassl_ring_mapping_release(producer->mapping);
  free_producer(producer);
}

int sassl_ring_producer_close(struct sassl_ring_producer *producer) {
  int code = fork_guard_tripped(&producer->guard) ? SASSL_RING_OK : sassl_ring_producer_finish(producer);
  // Only now goes the lock: as long as the file has its name, somebody answers for it.
  sassl_ring_producer_abandon(producer);
  return code;
}
