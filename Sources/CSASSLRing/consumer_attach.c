// Attaching: opens and checks the ring that a path names, takes its reader's lock, and goes on where the last reader stopped.
#define _GNU_SOURCE
#include "consumer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail_busy(struct sassl_ring_error *error, const char *path, int32_t holder) {
  int result = fail(error, SASSL_RING_ERROR_BUSY, 0,
                    "%s is being read by process %d: a ring has one reader. Stop that one, or give each rank its own ring", path,
                    holder);
  if (error != NULL) error->holder_pid = holder;
  return result;
}

/// Says what is different, as far as both instances tell, and what can be done about it. The path comes last, since a long one
/// may be cut off.
static int fail_changed(const struct sassl_ring_consumer *consumer, const char *settings, struct sassl_ring_error *error) {
  char difference[320];
  bool known = sassl_ring_settings_difference(consumer->settings, settings, difference, sizeof difference) > 0;
  return fail(error, SASSL_RING_ERROR_CHANGED, 0,
              "sassld came back with another stream%s%s. Restart it with the former configuration, or attach anew to go on with "
              "the new stream in %s",
              known ? ": " : "", difference, consumer->path);
}

/// A ring that has been found at our path and may become the current instance.
struct candidate {
  struct sassl_ring_geometry geometry;
  struct sassl_ring_mapping *mapping;
  char *settings;
  uid_t owner;
};

static void discard_candidate(struct candidate *candidate) {
  if (candidate->mapping != NULL) sassl_ring_mapping_release(candidate->mapping);
  free(candidate->settings);
}

/// Opens the file at our path if we trust its owner. ABSENT when there is none. `*descriptor` is -1 on an error.
static int open_trusted(const struct sassl_ring_consumer *consumer, uid_t *owner, int *descriptor, struct sassl_ring_error *error) {
  *descriptor = segment_open(consumer->path, O_RDWR);
  if (*descriptor < 0) {
    int cause = errno;
    if (cause == ENOENT) {
      return fail(error, SASSL_RING_ERROR_ABSENT, cause, "there is no ring at %s: start sassld, or check the ring's name and rank",
                  consumer->path);
    }
    return segment_refused(consumer->path, cause, consumer->owner_id, error);
  }
  int code = segment_check_owner(*descriptor, consumer->path, consumer->owner_id, owner, error);
  if (code == SASSL_RING_OK && consumer->current != NULL && *owner != consumer->owner) {
    char present[USER_NAME_BYTES], former[USER_NAME_BYTES];
    sassl_ring_user_name(*owner, present, sizeof present);
    sassl_ring_user_name(consumer->owner, former, sizeof former);
    code = fail(error, SASSL_RING_ERROR_OWNER, 0,
                "sassld came back as another user: %.255s belongs to %s now, and to %s before. If that is meant, attach anew",
                consumer->path, present, former);
  }
  if (code != SASSL_RING_OK) {
    close(*descriptor);
    *descriptor = -1;
  }
  return code;
}

/// Maps the ring behind a descriptor if a live producer serves it and makes the stream that we read.
static int map_candidate(const struct sassl_ring_consumer *consumer, int descriptor, struct candidate *candidate,
                         struct sassl_ring_error *error) {
  const char *path = consumer->path;
  const struct sassl_ring_mapping *current = consumer->current;
  const struct sassl_ring_geometry *geometry = &candidate->geometry;
  struct sassl_ring_field *fields = NULL;
  int code = segment_inspect(descriptor, path, &candidate->geometry, &fields, error);
  if (code != SASSL_RING_OK) return code;
  if (!byte_is_locked(descriptor, SASSL_RING_PRODUCER_LOCK)) {
    free(fields);
    return fail(error, SASSL_RING_ERROR_ABSENT, 0, "the producer of %s (process %d) is dead: restart sassld", path,
                geometry->producer_pid);
  }
  code = segment_map(descriptor, path, geometry, fields, MAP_FOR_CONSUMER, &candidate->mapping, error);
  if (code != SASSL_RING_OK) return code;
  if (consumer->world_size != 0 && geometry->world_size != consumer->world_size) {
    code = fail(error, SASSL_RING_ERROR_WORLD, 0,
                "%.300s is made for rank %u of %u, and this reader is one of %u: each would miss a part of every batch. Say "
                "world_size=%u when that is how many read it, or start sassld with batch.world_size = %u",
                path, geometry->rank, geometry->world_size, consumer->world_size, geometry->world_size, consumer->world_size);
    if (error != NULL) error->needed = consumer->world_size, error->available = geometry->world_size;
    return code;
  }
  // Somebody holds the dead instance's lock in order to replace it; its reader is us.
  if (current != NULL && memcmp(current->geometry.instance, geometry->instance, sizeof geometry->instance) == 0) {
    return fail(error, SASSL_RING_ERROR_ABSENT, 0, "the producer of %s is being replaced", path);
  }
  code = segment_settings(descriptor, path, geometry, &candidate->settings, error);
  if (code != SASSL_RING_OK) return code;
  if (current != NULL && !consumer->accept_change &&
      memcmp(current->geometry.fingerprint, geometry->fingerprint, sizeof geometry->fingerprint) != 0) {
    return fail_changed(consumer, candidate->settings, error);
  }
  return SASSL_RING_OK;
}

/// Takes the lock of the candidate's reader. `descriptor` is that of its mapping.
static int lock_candidate(const struct sassl_ring_consumer *consumer, int descriptor, const struct candidate *candidate,
                          int *lock_descriptor, struct sassl_ring_error *error) {
  struct sassl_ring_header *header = candidate->mapping->header;
  // A lock on a description of its own: the mapping keeps the first one open, also in forked children.
  *lock_descriptor = segment_open(consumer->path, O_RDWR);
  bool moved = *lock_descriptor < 0 || !same_file(descriptor, consumer->path);
  bool ours = !moved && lock_byte(*lock_descriptor, SASSL_RING_CONSUMER_LOCK);
  // The path may have moved on between the two opens; the lock must be on what we have mapped.
  moved = moved || !same_file(*lock_descriptor, consumer->path) || !same_file(descriptor, consumer->path);
  // Pairs with the fence in predecessor_free_memory: a successor that is about to free this instance's memory has closed it first
  // and then looks for our lock, so one of us notices the other.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (ours && LOAD(header->producer_state) != SASSL_RING_SERVING) moved = true;
  if (ours && !moved) return SASSL_RING_OK;
  int32_t holder = LOAD(header->consumer_pid);
  drop_lock(*lock_descriptor, SASSL_RING_CONSUMER_LOCK);
  if (!moved) return fail_busy(error, consumer->path, holder);
  return fail(error, SASSL_RING_ERROR_ABSENT, 0, "the producer of %s (process %d) is stopping or being replaced",
              consumer->path, candidate->geometry.producer_pid);
}

/// Makes the candidate the current instance. Takes over what it has.
static void make_current(struct sassl_ring_consumer *consumer, const struct candidate *candidate, int lock_descriptor) {
  // The old instance stays ours until here: up to now there was nowhere else to write down what was released. Its slots are
  // nobody's to fill any more.
  for (struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) lease->occupies = false;
  if (consumer->current != NULL) sassl_ring_mapping_release(consumer->current);
  drop_lock(consumer->lock_descriptor, SASSL_RING_CONSUMER_LOCK);
  free(consumer->settings);
  consumer->settings = candidate->settings;
  consumer->current = candidate->mapping;
  consumer->lock_descriptor = lock_descriptor;
  consumer->owner = candidate->owner;
  // Where nobody has said how many read the stream, it is as many as at first.
  if (consumer->world_size == 0 && !consumer->accept_change) consumer->world_size = candidate->geometry.world_size;
  consumer->superseded = consumer->emptied = false;
}

/// Moves to the ring at our path if a live producer serves it. ABSENT when there is none.
static int try_open(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error) {
  struct candidate candidate = {0};
  int descriptor, lock_descriptor;
  int code = open_trusted(consumer, &candidate.owner, &descriptor, error);
  if (code != SASSL_RING_OK) return code;
  code = map_candidate(consumer, descriptor, &candidate, error);
  if (code == SASSL_RING_OK) code = lock_candidate(consumer, descriptor, &candidate, &lock_descriptor, error);
  close(descriptor);
  if (code == SASSL_RING_OK) make_current(consumer, &candidate, lock_descriptor);
  else discard_candidate(&candidate);
  return code;
}

/// Takes up reading where the header says the last reader left off, or where we know better. Mutex held.
static int take_over(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error) {
  struct sassl_ring_mapping *current = consumer->current;
  struct sassl_ring_header *header = current->header;
  STEP(consumer, SASSL_RING_STEP_ATTACHED);
  STORE(header->consumer_pid, getpid());
  STORE(header->consumer_start_ticks, own_start_ticks());
  STORE(header->consumer_attached_ns, monotonic_ns());
  STORE(header->consumer_waiting_since_ns, 0);
  consumer->waited_ns = LOAD(header->consumer_waited_ns);
  consumer->dropped = LOAD(header->dropped);
  consumer->generation = LOAD(header->seek_requested);
  // A stray write may have put the count back; then only one that comes after what the producer knows is a request.
  uint64_t acknowledged = LOAD(header->seek_acknowledged);
  if (is_newer(acknowledged, consumer->generation)) consumer->generation = acknowledged;
  // What a dead reader held, it had not released: its slots come back simply because we start at its `released`.
  consumer->taken = LOAD(header->released);
  if (consumer->continues) {
    consumer->wanted = LOAD(header->reader_next);
    consumer->continues = false;
    if (consumer->wanted > SASSL_RING_MAXIMUM_NUMBER) {
      return consumer_fail_corrupt(consumer, error, "its next batch is impossible");
    }
  }
  consumer->absent_since = 0;
  uint64_t published;
  int code = consumer_read_published(consumer, &published, error);
  if (code == SASSL_RING_OK) code = consumer_commit(consumer);
  if (code == SASSL_RING_OK) code = consumer_ensure_requested(consumer, error);
  return code;
}

int consumer_try_attach(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error) {
  int code = try_open(consumer, error);
  return code == SASSL_RING_OK ? take_over(consumer, error) : code;
}

int sassl_ring_consumer_attach(const struct sassl_ring_consumer_options *options, struct sassl_ring_consumer **result,
                               struct sassl_ring_error *error) {
  *result = NULL;
  if (options->start != SASSL_RING_CONTINUE && options->start > SASSL_RING_MAXIMUM_NUMBER) {
    return fail(error, SASSL_RING_ERROR_ARGUMENT, 0, "batch numbers end at %" PRIu64, SASSL_RING_MAXIMUM_NUMBER);
  }
  struct sassl_ring_consumer *consumer = calloc(1, sizeof *consumer);
  if (consumer == NULL) return fail(error, SASSL_RING_ERROR_SYSTEM, ENOMEM, "out of memory");
  pthread_mutex_init(&consumer->mutex, NULL);
  consumer->lock_descriptor = -1;
  consumer->continues = options->start == SASSL_RING_CONTINUE;
  consumer->wanted = consumer->continues ? 0 : options->start;
  consumer->next_identifier = 1;
  consumer->verify = options->verify != 0;
  consumer->accept_change = options->accept_change != 0;
  consumer->absence_timeout_ns = options->absence_timeout_ns;
  consumer->owner_id = options->owner_id;
  consumer->world_size = options->world_size;
  consumer->hook = options->hook;
  consumer->hook_context = options->hook_context;
  fork_guard_enter(&consumer->guard, &consumer->lock_descriptor);
  uint64_t start = monotonic_ns();
  int code;
  for (;;) {
    // Each time: without a directory, where the ring is depends on where it turns up.
    code = sassl_ring_path(options->directory, options->name, options->rank, consumer->path, sizeof consumer->path, error);
    if (code != SASSL_RING_OK) break;
    pthread_mutex_lock(&consumer->mutex);
    code = consumer_try_attach(consumer, error);
    pthread_mutex_unlock(&consumer->mutex);
    if (code != SASSL_RING_ERROR_ABSENT || monotonic_ns() - start >= options->attach_timeout_ns) break;
    sleep_ns(ARRIVAL_POLL_NS);
  }
  if (code != SASSL_RING_OK) {
    sassl_ring_consumer_abandon(consumer);
    return code;
  }
  *result = consumer;
  return SASSL_RING_OK;
}
