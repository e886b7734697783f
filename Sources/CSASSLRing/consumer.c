// The consumer's side: take batches in stream order, give them back, seek, and outlive the producer.
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/// A batch that was handed out and not yet given back, in the order in which they were handed out.
struct lease {
  struct lease *next;
  struct sassl_ring_mapping *mapping;
  uint64_t identifier;
  uint64_t sequence;
  uint64_t number;
  bool counts;  // towards reader_next; not after a seek
};

struct sassl_ring_consumer {
  struct fork_guard guard;
  // Protects everything below; never held while waiting. Only the thread that calls `next` changes `current`.
  pthread_mutex_t mutex;
  struct sassl_ring_mapping *current;  // NULL while there is no producer
  int lock_descriptor;                 // of current
  struct sassl_ring_mapping *known;    // the last instance attached to, for geometry and comparison
  struct lease *leases;
  uint64_t next_identifier;
  uint64_t wanted;      // number of the batch to hand out next
  uint64_t taken;       // sequences of current that were handed out or dropped
  uint64_t dropped;
  uint64_t generation;  // of our last seek request on current
  uint64_t waited_ns;
  uint64_t absent_since;
  uint64_t absence_timeout_ns;
  char path[4096];
  bool verify;
  bool accept_change;
  bool continues;  // no batch number is known yet: take the ring's word for it
  sassl_ring_hook hook;
  void *hook_context;
};

#define STEP(owner, step)                                                                                    \
  do {                                                                                                       \
    if (__builtin_expect((owner)->hook != NULL, 0) && (owner)->hook((step), (owner)->hook_context) != 0)     \
      return SASSL_RING_ABANDONED;                                                                           \
  } while (0)

static int forked(struct sassl_ring_error *error) {
  return fail(error, SASSL_RING_ERROR_FORKED, 0,
              "this reader was attached by the parent process; a child cannot use it (attach in the process that reads, "
              "and use no worker processes)");
}

static int scribbled(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error, const char *what) {
  return fail(error, SASSL_RING_ERROR_CORRUPT, 0, "%s: %s", consumer->path, what);
}

// Telling the producer and the next reader how far we are

/// Writes what is released. Mutex held.
static int commit(struct sassl_ring_consumer *consumer) {
  struct sassl_ring_mapping *current = consumer->current;
  if (current == NULL) return SASSL_RING_OK;
  uint64_t reader_next = consumer->wanted, released = consumer->taken;
  bool counted = false, held = false;
  for (struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) {
    if (lease->counts && !counted) reader_next = lease->number, counted = true;
    if (lease->mapping == current && !held) released = lease->sequence, held = true;
  }
  struct sassl_ring_header *header = current->header;
  STORE(header->taken, consumer->taken);
  STORE(header->dropped, consumer->dropped);
  STORE(header->reader_next, reader_next);
  STEP(consumer, SASSL_RING_STEP_RELEASE_NOTED);
  // Release, pairs with the acquire load in note_released: our reads of those payloads are over. And after reader_next: a
  // reader that dies in between leaves batches that its successor skips by their number, never one that it repeats.
  STORE(header->released, released);
  STEP(consumer, SASSL_RING_STEP_RELEASED);
  futex_raise(&header->released_signal);
  return SASSL_RING_OK;
}

/// Asks the producer for `wanted`. Mutex held.
static int request_seek(struct sassl_ring_consumer *consumer) {
  struct sassl_ring_header *header = consumer->current->header;
  STORE(header->seek_target, consumer->wanted);
  STEP(consumer, SASSL_RING_STEP_SEEK_TARGETED);
  consumer->generation++;
  // Release, pairs with the acquire load in obey_seek: the target is there when the request is.
  STORE(header->seek_requested, consumer->generation);
  STEP(consumer, SASSL_RING_STEP_SEEK_REQUESTED);
  futex_raise(&header->released_signal);
  return SASSL_RING_OK;
}

static int read_published(struct sassl_ring_consumer *consumer, uint64_t *published, struct sassl_ring_error *error) {
  // Acquire, pairs with the release store in publish_ready: slots below this count are complete.
  *published = LOAD(consumer->current->header->published);
  if (*published < consumer->taken || *published - consumer->taken > consumer->current->geometry.slot_count) {
    return scribbled(consumer, error, "the producer's counters are impossible");
  }
  return SASSL_RING_OK;
}

/// Makes sure that `wanted` is on its way: published, about to be, or asked for. Mutex held.
static int align(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error) {
  struct sassl_ring_header *header = consumer->current->header;
  uint64_t published, again;
  do {
    int code = read_published(consumer, &published, error);
    if (code != SASSL_RING_OK) return code;
    for (uint64_t sequence = consumer->taken; sequence < published; sequence++) {
      const struct sassl_ring_slot *slot = mapping_slot(consumer->current, sequence);
      if (slot->generation == consumer->generation && slot->number == consumer->wanted) return SASSL_RING_OK;
    }
    if (LOAD(header->seek_acknowledged) != consumer->generation) {
      // A request, of ours or of a reader that died, is under way.
      if (LOAD(header->seek_target) == consumer->wanted) return SASSL_RING_OK;
      return request_seek(consumer);
    }
    // Acquire above pairs with the release store in obey_seek: this next_batch belongs to that generation or is newer.
    uint64_t next = LOAD(header->next_batch);
    if (consumer->wanted >= next && consumer->wanted - next < consumer->current->geometry.slot_count) {
      return SASSL_RING_OK;
    }
    // If something was published while we looked, it may be the batch that we want: look again rather than seek.
    again = LOAD(header->published);
  } while (again != published);
  return request_seek(consumer);
}

// Attaching

static int busy(struct sassl_ring_error *error, const char *path, int32_t holder) {
  int result = fail(error, SASSL_RING_ERROR_BUSY, 0,
                    "%s is being read by process %d: a ring has one reader. Stop that one, or give each rank its own ring", path,
                    holder);
  if (error != NULL) error->holder_pid = holder;
  return result;
}

/// Opens the ring at our path if a live producer serves it. ABSENT when there is none.
static int try_open(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error) {
  int descriptor = segment_open(consumer->path, O_RDWR);
  if (descriptor < 0) {
    int cause = errno;
    if (cause == ENOENT) {
      return fail(error, SASSL_RING_ERROR_ABSENT, cause, "there is no ring at %s: start sassld, or check the ring's name and rank",
                  consumer->path);
    }
    const char *hint = cause == ELOOP    ? " (it is a symbolic link, which is never followed)"
                       : cause == EACCES ? " (this user must be in the group that the ring belongs to)"
                                         : "";
    return fail(error, SASSL_RING_ERROR_SYSTEM, cause, "cannot open %s: %s%s", consumer->path, strerror(cause), hint);
  }
  struct sassl_ring_geometry geometry;
  struct sassl_ring_field *fields = NULL;
  struct sassl_ring_mapping *mapping = NULL;
  int code = segment_inspect(descriptor, consumer->path, &geometry, &fields, error);
  if (code == SASSL_RING_OK && !byte_is_locked(descriptor, SASSL_RING_PRODUCER_LOCK)) {
    free(fields);
    code = fail(error, SASSL_RING_ERROR_ABSENT, 0, "the producer of %s (process %d) is dead: restart sassld", consumer->path,
                geometry.producer_pid);
  } else if (code == SASSL_RING_OK) {
    code = segment_map(descriptor, consumer->path, &geometry, fields, MAP_FOR_CONSUMER, &mapping, error);
  }
  if (code == SASSL_RING_OK && LOAD(mapping->header->producer_state) == SASSL_RING_CLOSED) {
    code = fail(error, SASSL_RING_ERROR_ABSENT, 0, "the producer of %s (process %d) is stopping", consumer->path,
                geometry.producer_pid);
  }
  if (code == SASSL_RING_OK && consumer->known != NULL && !consumer->accept_change &&
      memcmp(consumer->known->geometry.fingerprint, geometry.fingerprint, sizeof geometry.fingerprint) != 0) {
    code = fail(error, SASSL_RING_ERROR_CHANGED, 0,
                "the ring at %s now holds another stream: sassld was restarted with another configuration. Attach anew to go on with it",
                consumer->path);
  }
  if (code != SASSL_RING_OK) {
    if (mapping != NULL) sassl_ring_mapping_release(mapping);
    close(descriptor);
    return code;
  }
  // A lock on a description of its own: the mapping keeps the first one open, also in forked children.
  int lock_descriptor = segment_open(consumer->path, O_RDWR);
  bool moved = lock_descriptor < 0 || !same_file(descriptor, consumer->path);
  bool ours = !moved && lock_byte(lock_descriptor, SASSL_RING_CONSUMER_LOCK);
  // The path may have moved on between the two opens; the lock must be on what we have mapped.
  moved = moved || !same_file(lock_descriptor, consumer->path) || !same_file(descriptor, consumer->path);
  close(descriptor);
  if (moved || !ours) {
    int32_t holder = LOAD(mapping->header->consumer_pid);
    sassl_ring_mapping_release(mapping);
    if (lock_descriptor >= 0) close(lock_descriptor);
    if (!moved) return busy(error, consumer->path, holder);
    return fail(error, SASSL_RING_ERROR_ABSENT, 0, "the ring at %s is just being replaced", consumer->path);
  }
  consumer->current = mapping;
  consumer->lock_descriptor = lock_descriptor;
  return SASSL_RING_OK;
}

static void detach(struct sassl_ring_consumer *consumer) {
  pthread_mutex_lock(&consumer->mutex);
  struct sassl_ring_mapping *mapping = consumer->current;
  consumer->current = NULL;
  if (consumer->lock_descriptor >= 0) close(consumer->lock_descriptor);
  consumer->lock_descriptor = -1;
  pthread_mutex_unlock(&consumer->mutex);
  if (mapping != NULL) sassl_ring_mapping_release(mapping);
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
  // What a dead reader held, it had not released: its slots come back simply because we start at its `released`.
  consumer->taken = LOAD(header->released);
  if (consumer->continues) {
    consumer->wanted = LOAD(header->reader_next);
    consumer->continues = false;
    if (consumer->wanted > SASSL_RING_MAXIMUM_NUMBER) return scribbled(consumer, error, "its next batch is impossible");
  }
  consumer->absent_since = 0;
  if (consumer->known != NULL) sassl_ring_mapping_release(consumer->known);
  sassl_ring_mapping_retain(current);
  consumer->known = current;
  uint64_t published;
  int code = read_published(consumer, &published, error);
  if (code == SASSL_RING_OK) code = commit(consumer);
  if (code == SASSL_RING_OK) code = align(consumer, error);
  return code;
}

static int try_attach(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error) {
  pthread_mutex_lock(&consumer->mutex);
  int code = try_open(consumer, error);
  if (code == SASSL_RING_OK) code = take_over(consumer, error);
  pthread_mutex_unlock(&consumer->mutex);
  return code;
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
  consumer->hook = options->hook;
  consumer->hook_context = options->hook_context;
  fork_guard_enter(&consumer->guard, &consumer->lock_descriptor);
  int code = sassl_ring_path(options->directory, options->name, options->rank, consumer->path, sizeof consumer->path, error);
  uint64_t start = monotonic_ns();
  while (code == SASSL_RING_OK) {
    code = try_attach(consumer, error);
    if (code != SASSL_RING_ERROR_ABSENT || monotonic_ns() - start >= options->attach_timeout_ns) break;
    sleep_ns(ARRIVAL_POLL_NS);
    code = SASSL_RING_OK;
  }
  if (code != SASSL_RING_OK) {
    sassl_ring_consumer_abandon(consumer);
    return code;
  }
  *result = consumer;
  return SASSL_RING_OK;
}

// Reading

static int hand_out(struct sassl_ring_consumer *consumer, const struct sassl_ring_slot *slot, struct sassl_ring_lease *lease,
                    struct sassl_ring_error *error) {
  struct sassl_ring_mapping *current = consumer->current;
  const unsigned char *payload = mapping_payload(current, slot->sequence);
  if (slot->count > current->geometry.batch_size) return scribbled(consumer, error, "a batch claims too many samples");
  if (consumer->verify && sassl_ring_crc32c(0, payload, current->geometry.payload_bytes) != slot->checksum) {
    consumer->taken++;
    consumer->dropped++;
    int code = commit(consumer);
    if (code == SASSL_RING_OK) code = request_seek(consumer);  // the next call gets it made anew
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
  held->counts = true;
  sassl_ring_mapping_retain(current);
  struct lease **end = &consumer->leases;
  while (*end != NULL) end = &(*end)->next;
  *end = held;
  consumer->wanted = slot->number + 1;
  consumer->taken++;
  STORE(current->header->taken, consumer->taken);
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
  };
  STEP(consumer, SASSL_RING_STEP_LEASED);
  return SASSL_RING_OK;
}

/// Takes the next batch if it is there, dropping what is stale. TIMEOUT if it is not. Mutex held.
static int take(struct sassl_ring_consumer *consumer, struct sassl_ring_lease *lease, struct sassl_ring_error *error) {
  uint64_t published;
  int code = read_published(consumer, &published, error);
  bool found = false, overshot = false;
  uint64_t dropped = consumer->dropped;
  struct sassl_ring_slot slot = {0};
  while (code == SASSL_RING_OK && !found && consumer->taken < published) {
    slot = *mapping_slot(consumer->current, consumer->taken);
    if (slot.sequence != consumer->taken) return scribbled(consumer, error, "a slot holds another sequence than it should");
    found = slot.generation == consumer->generation && slot.number == consumer->wanted;
    if (found) break;
    // A later batch than ours, made for our own request: never so between correct programs, but asking again is always right.
    if (slot.generation == consumer->generation && slot.number > consumer->wanted) overshot = true;
    consumer->taken++;
    consumer->dropped++;
  }
  if (code == SASSL_RING_OK && consumer->dropped != dropped) code = commit(consumer);
  if (code == SASSL_RING_OK && overshot && !found) code = request_seek(consumer);
  if (code != SASSL_RING_OK) return code;
  return found ? hand_out(consumer, &slot, lease, error) : SASSL_RING_TIMEOUT;
}

static int take_locked(struct sassl_ring_consumer *consumer, struct sassl_ring_lease *lease,
                       struct sassl_ring_error *error) {
  pthread_mutex_lock(&consumer->mutex);
  int code = take(consumer, lease, error);
  pthread_mutex_unlock(&consumer->mutex);
  return code;
}

/// True when nothing can come from the current instance any more. Take once more after this: what the producer
/// published before it went is complete and final only now.
static bool producer_is_gone(struct sassl_ring_consumer *consumer) {
  return LOAD(consumer->current->header->producer_state) == SASSL_RING_CLOSED ||
         !byte_is_locked(consumer->lock_descriptor, SASSL_RING_PRODUCER_LOCK);
}

/// One wait of at most `limit_ns` for a batch of the current instance, counted as the reader's waiting time.
static void wait_for_batch(struct sassl_ring_consumer *consumer, uint32_t signal, uint64_t limit_ns) {
  struct sassl_ring_header *header = consumer->current->header;
  uint64_t since = monotonic_ns();
  STORE(header->consumer_waiting_since_ns, since);
  futex_wait(&header->published_signal, signal, limit_ns < WAIT_SLICE_NS ? limit_ns : WAIT_SLICE_NS);
  consumer->waited_ns += monotonic_ns() - since;
  STORE(header->consumer_waiting_since_ns, 0);
  STORE(header->consumer_waited_ns, consumer->waited_ns);
}

static int next_from_current(struct sassl_ring_consumer *consumer, uint64_t limit_ns, struct sassl_ring_lease *lease,
                             struct sassl_ring_error *error) {
  // Read before the counters: whatever is published after our look changes this word, and the futex will not sleep.
  uint32_t signal = LOAD(consumer->current->header->published_signal);
  int code = take_locked(consumer, lease, error);
  if (code != SASSL_RING_TIMEOUT) return code;
  if (producer_is_gone(consumer)) {
    code = take_locked(consumer, lease, error);
    // Drained. Letting go of the memory now is what makes room for a successor where there is room for only one ring.
    if (code == SASSL_RING_TIMEOUT) detach(consumer);
    return code;
  }
  if (limit_ns > 0) wait_for_batch(consumer, signal, limit_ns);
  return SASSL_RING_TIMEOUT;
}

static int next_from_successor(struct sassl_ring_consumer *consumer, uint64_t limit_ns, struct sassl_ring_error *error) {
  uint64_t now = monotonic_ns();
  if (consumer->absent_since == 0) consumer->absent_since = now;
  struct sassl_ring_error attempt;
  int code = try_attach(consumer, &attempt);
  if (code == SASSL_RING_OK) return SASSL_RING_TIMEOUT;
  if (code != SASSL_RING_ERROR_ABSENT) {
    if (consumer->current != NULL) detach(consumer);
    if (error != NULL) *error = attempt;
    return code;
  }
  if (now - consumer->absent_since >= consumer->absence_timeout_ns) {
    return fail(error, SASSL_RING_ERROR_ABSENT, 0,
                "sassld went away and did not come back within %" PRIu64 " s: %.300s. Batch %" PRIu64 " is next",
                consumer->absence_timeout_ns / UINT64_C(1000000000), attempt.message, consumer->wanted);
  }
  sleep_ns(limit_ns < ARRIVAL_POLL_NS ? limit_ns : ARRIVAL_POLL_NS);
  return SASSL_RING_TIMEOUT;
}

int sassl_ring_consumer_next(struct sassl_ring_consumer *consumer, uint64_t timeout_ns, struct sassl_ring_lease *lease,
                             struct sassl_ring_error *error) {
  if (fork_guard_tripped(&consumer->guard)) return forked(error);
  uint64_t start = monotonic_ns();
  for (;;) {
    uint64_t elapsed = monotonic_ns() - start;
    uint64_t limit = elapsed < timeout_ns ? timeout_ns - elapsed : 0;
    int code = consumer->current != NULL ? next_from_current(consumer, limit, lease, error)
                                         : next_from_successor(consumer, limit, error);
    // With no time left, one more look is due only after a change of instance, and the caller's next call takes it.
    if (code != SASSL_RING_TIMEOUT || limit == 0) return code;
  }
}

int sassl_ring_consumer_release(struct sassl_ring_consumer *consumer, uint64_t identifier, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&consumer->guard)) return forked(error);
  pthread_mutex_lock(&consumer->mutex);
  struct lease **link = &consumer->leases;
  while (*link != NULL && (*link)->identifier != identifier) link = &(*link)->next;
  struct lease *lease = *link;
  int code;
  if (lease == NULL) {
    code = fail(error, SASSL_RING_ERROR_STATE, 0, "this batch was released already");
  } else {
    *link = lease->next;
    code = commit(consumer);
    sassl_ring_mapping_release(lease->mapping);
    free(lease);
  }
  pthread_mutex_unlock(&consumer->mutex);
  return code;
}

int sassl_ring_consumer_seek(struct sassl_ring_consumer *consumer, uint64_t number, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&consumer->guard)) return forked(error);
  if (number > SASSL_RING_MAXIMUM_NUMBER) {
    return fail(error, SASSL_RING_ERROR_ARGUMENT, 0, "batch numbers end at %" PRIu64, SASSL_RING_MAXIMUM_NUMBER);
  }
  pthread_mutex_lock(&consumer->mutex);
  for (struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) lease->counts = false;
  consumer->wanted = number;
  consumer->continues = false;
  int code = SASSL_RING_OK;
  if (consumer->current != NULL) {
    code = commit(consumer);
    if (code == SASSL_RING_OK) code = align(consumer, error);
  }
  pthread_mutex_unlock(&consumer->mutex);
  return code;
}

uint64_t sassl_ring_consumer_position(const struct sassl_ring_consumer *consumer) { return consumer->wanted; }

const struct sassl_ring_geometry *sassl_ring_consumer_geometry(const struct sassl_ring_consumer *consumer) {
  return &consumer->known->geometry;
}

const struct sassl_ring_field *sassl_ring_consumer_fields(const struct sassl_ring_consumer *consumer) {
  return consumer->known->fields;
}

void sassl_ring_consumer_counters(struct sassl_ring_consumer *consumer, struct sassl_ring_counters *counters) {
  memset(counters, 0, sizeof *counters);
  pthread_mutex_lock(&consumer->mutex);
  if (consumer->current != NULL) {
    bool own = !fork_guard_tripped(&consumer->guard);
    segment_counters(consumer->current, consumer->lock_descriptor, false, own, counters);
  }
  pthread_mutex_unlock(&consumer->mutex);
}

void sassl_ring_consumer_abandon(struct sassl_ring_consumer *consumer) {
  fork_guard_leave(&consumer->guard);
  if (consumer->lock_descriptor >= 0) close(consumer->lock_descriptor);
  while (consumer->leases != NULL) {
    struct lease *lease = consumer->leases;
    consumer->leases = lease->next;
    sassl_ring_mapping_release(lease->mapping);
    free(lease);
  }
  if (consumer->current != NULL) sassl_ring_mapping_release(consumer->current);
  if (consumer->known != NULL) sassl_ring_mapping_release(consumer->known);
  pthread_mutex_destroy(&consumer->mutex);
  free(consumer);
}

int sassl_ring_consumer_close(struct sassl_ring_consumer *consumer) {
  // Every release was written when it happened, so there is nothing left to say: a clean end and a crash look the same.
  sassl_ring_consumer_abandon(consumer);
  return SASSL_RING_OK;
}
