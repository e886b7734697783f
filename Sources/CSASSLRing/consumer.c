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
  bool occupies;  // a slot of the current instance; not once it was moved aside, nor where the instance is an earlier one
};

struct sassl_ring_consumer {
  struct fork_guard guard;
  // Protects everything below; never held while waiting.
  pthread_mutex_t mutex;
  struct sassl_ring_mapping *current;  // the instance last attached to, which may be dead; NULL only before the first
  int lock_descriptor;                 // of current
  char *settings;                      // of current, a private copy
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
  uint32_t world_size;  // that the reader was told, or that it met at first; 0 for any
  int64_t owner_id;  // of a user whose ring may be read besides those of the trusted ones
  uid_t owner;       // of current; its successors must have the same
  bool superseded;  // current's successor exists, or is about to
  bool emptied;     // current is dead and drained, and its memory was given back
  bool verify;
  bool accept_change;
  bool continues;  // no batch number is known yet: take the ring's word for it
  bool is_forgotten;   // the batch handed out last was let go without a word: it counts as read once another is asked for
  uint64_t forgotten;  // its number
  unsigned waiters;    // threads in `next`; atomic
  bool detached;   // nothing is read any more; the lock goes with the last batch that could not be moved aside
  sassl_ring_hook hook;
  void *hook_context;
};

/// How long a release waits for a successor that is being put in place to take note of it, and how often it looks.
#define FOLLOW_TIMEOUT_NS 1000000000ull
#define FOLLOW_POLL_NS 200000ull

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

static int closed(struct sassl_ring_error *error) {
  return fail(error, SASSL_RING_ERROR_STATE, 0, "this reader was closed: attach anew");
}

static int scribbled(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error, const char *what) {
  return fail(error, SASSL_RING_ERROR_CORRUPT, 0, "%s: %s", consumer->path, what);
}

// Telling the producer and the next reader how far we are

/// Writes what is released. Mutex held.
static int commit(struct sassl_ring_consumer *consumer) {
  struct sassl_ring_mapping *current = consumer->current;
  uint64_t reader_next = consumer->wanted, released = consumer->taken;
  bool counted = false, held = false;
  for (struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) {
    if (lease->counts && !counted) reader_next = lease->number, counted = true;
    if (lease->occupies && !held) released = lease->sequence, held = true;
  }
  if (consumer->is_forgotten && consumer->forgotten < reader_next) reader_next = consumer->forgotten;
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
  // Pairs with the fence in find_resumption: either a successor that read our position before this store has marked the
  // header already, and we see the mark and go and tell it; or it reads what we have just stored.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  consumer->superseded = LOAD(header->producer_state) == SASSL_RING_SUPERSEDED;
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

/// Asks again for what is wanted, where a stray write has led the producer elsewhere or has undone what we asked. Mutex held.
static int repeat_request(struct sassl_ring_consumer *consumer, bool is_astray) {
  struct sassl_ring_header *header = consumer->current->header;
  uint64_t acknowledged = LOAD(header->seek_acknowledged);
  // A seek that nobody has asked for: ours comes after it.
  if (is_newer(acknowledged, consumer->generation)) consumer->generation = acknowledged, is_astray = true;
  if (is_astray) return request_seek(consumer);
  if (LOAD(header->seek_requested) == consumer->generation) return SASSL_RING_OK;
  STORE(header->seek_target, consumer->wanted);
  STORE(header->seek_requested, consumer->generation);
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
    // A request under way may be that of a reader that died, and the producer may have read another target for it than
    // stands there now. Only our own says what will come.
    if (LOAD(header->seek_acknowledged) != consumer->generation) return request_seek(consumer);
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

/// Says what is different, as far as both instances tell, and what can be done about it. The path comes last, since a long one
/// may be cut off.
static int changed(const struct sassl_ring_consumer *consumer, const char *settings, struct sassl_ring_error *error) {
  char difference[320];
  bool known = sassl_ring_settings_difference(consumer->settings, settings, difference, sizeof difference) > 0;
  return fail(error, SASSL_RING_ERROR_CHANGED, 0,
              "sassld came back with another stream%s%s. Restart it with the former configuration, or attach anew to go on with "
              "the new stream in %s",
              known ? ": " : "", difference, consumer->path);
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
    return segment_refused(consumer->path, cause, consumer->owner_id, error);
  }
  uid_t owner;
  int code = segment_check_owner(descriptor, consumer->path, consumer->owner_id, &owner, error);
  if (code == SASSL_RING_OK && consumer->current != NULL && owner != consumer->owner) {
    char present[USER_NAME_BYTES], former[USER_NAME_BYTES];
    sassl_ring_user_name(owner, present, sizeof present);
    sassl_ring_user_name(consumer->owner, former, sizeof former);
    code = fail(error, SASSL_RING_ERROR_OWNER, 0,
                "sassld came back as another user: %.255s belongs to %s now, and to %s before. If that is meant, attach anew",
                consumer->path, present, former);
  }
  if (code != SASSL_RING_OK) {
    close(descriptor);
    return code;
  }
  struct sassl_ring_geometry geometry;
  struct sassl_ring_field *fields = NULL;
  struct sassl_ring_mapping *mapping = NULL;
  char *settings = NULL;
  code = segment_inspect(descriptor, consumer->path, &geometry, &fields, error);
  if (code == SASSL_RING_OK && !byte_is_locked(descriptor, SASSL_RING_PRODUCER_LOCK)) {
    free(fields);
    code = fail(error, SASSL_RING_ERROR_ABSENT, 0, "the producer of %s (process %d) is dead: restart sassld", consumer->path,
                geometry.producer_pid);
  } else if (code == SASSL_RING_OK) {
    code = segment_map(descriptor, consumer->path, &geometry, fields, MAP_FOR_CONSUMER, &mapping, error);
  }
  if (code == SASSL_RING_OK && consumer->world_size != 0 && geometry.world_size != consumer->world_size) {
    code = fail(error, SASSL_RING_ERROR_WORLD, 0,
                "%.300s is made for rank %u of %u, and this reader is one of %u: each would miss a part of every batch. Say "
                "world_size=%u when that is how many read it, or start sassld with batch.world_size = %u",
                consumer->path, geometry.rank, geometry.world_size, consumer->world_size, geometry.world_size,
                consumer->world_size);
    if (error != NULL) error->needed = consumer->world_size, error->available = geometry.world_size;
  }
  // Somebody holds the dead instance's lock in order to replace it; its reader is us.
  if (code == SASSL_RING_OK && consumer->current != NULL &&
      memcmp(consumer->current->geometry.instance, geometry.instance, sizeof geometry.instance) == 0) {
    code = fail(error, SASSL_RING_ERROR_ABSENT, 0, "the producer of %s is being replaced", consumer->path);
  }
  if (code == SASSL_RING_OK) code = segment_settings(descriptor, consumer->path, &geometry, &settings, error);
  if (code == SASSL_RING_OK && consumer->current != NULL && !consumer->accept_change &&
      memcmp(consumer->current->geometry.fingerprint, geometry.fingerprint, sizeof geometry.fingerprint) != 0) {
    code = changed(consumer, settings, error);
  }
  if (code != SASSL_RING_OK) {
    free(settings);
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
  // Pairs with the fence in empty_predecessor: a successor that is about to empty this instance has closed it first and then
  // looks for our lock, so one of us notices the other.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (ours && LOAD(mapping->header->producer_state) != SASSL_RING_SERVING) moved = true;
  if (moved || !ours) {
    int32_t holder = LOAD(mapping->header->consumer_pid);
    free(settings);
    sassl_ring_mapping_release(mapping);
    drop_lock(lock_descriptor, SASSL_RING_CONSUMER_LOCK);
    if (!moved) return busy(error, consumer->path, holder);
    return fail(error, SASSL_RING_ERROR_ABSENT, 0, "the producer of %s (process %d) is stopping or being replaced",
                consumer->path, geometry.producer_pid);
  }
  // The old instance stays ours until here: up to now there was nowhere else to write down what was released. Its slots are
  // nobody's to fill any more.
  for (struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) lease->occupies = false;
  if (consumer->current != NULL) sassl_ring_mapping_release(consumer->current);
  drop_lock(consumer->lock_descriptor, SASSL_RING_CONSUMER_LOCK);
  free(consumer->settings);
  consumer->settings = settings;
  consumer->current = mapping;
  consumer->lock_descriptor = lock_descriptor;
  consumer->owner = owner;
  // Where nobody has said how many read the stream, it is as many as at first.
  if (consumer->world_size == 0 && !consumer->accept_change) consumer->world_size = geometry.world_size;
  consumer->superseded = consumer->emptied = false;
  return SASSL_RING_OK;
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
    if (consumer->wanted > SASSL_RING_MAXIMUM_NUMBER) return scribbled(consumer, error, "its next batch is impossible");
  }
  consumer->absent_since = 0;
  uint64_t published;
  int code = read_published(consumer, &published, error);
  if (code == SASSL_RING_OK) code = commit(consumer);
  if (code == SASSL_RING_OK) code = align(consumer, error);
  return code;
}

/// Attaches to whatever live instance there is now. Mutex held.
static int try_attach(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error) {
  int code = try_open(consumer, error);
  return code == SASSL_RING_OK ? take_over(consumer, error) : code;
}

/// Moves on to the successor that has read our position before we last changed it, so that it learns the new one now and
/// not only at the next `next`: should we die in between, the batch just released would be repeated. Mutex held.
static int follow(struct sassl_ring_consumer *consumer) {
  uint64_t start = monotonic_ns();
  while (consumer->superseded && monotonic_ns() - start < FOLLOW_TIMEOUT_NS) {
    int code = try_attach(consumer, NULL);
    if (code == SASSL_RING_ABANDONED) return code;
    // Anything but "not yet" is for `next` to report; the release itself is done.
    if (code != SASSL_RING_ERROR_ABSENT) break;
    sleep_ns(FOLLOW_POLL_NS);
  }
  return SASSL_RING_OK;
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
    code = try_attach(consumer, error);
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
  held->counts = held->occupies = true;
  sassl_ring_mapping_retain(current);
  struct lease **end = &consumer->leases;
  while (*end != NULL) end = &(*end)->next;
  *end = held;
  consumer->wanted = slot->number + 1;
  consumer->taken++;
  STORE(current->header->taken, consumer->taken);
  STORE(current->handed_out[slot->sequence % current->geometry.slot_count], slot->number);
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
      .consumer = consumer,
  };
  STEP(consumer, SASSL_RING_STEP_LEASED);
  return SASSL_RING_OK;
}

/// Takes the next batch if it is there, dropping what is stale. TIMEOUT if it is not. Mutex held.
static int take(struct sassl_ring_consumer *consumer, struct sassl_ring_lease *lease, struct sassl_ring_error *error) {
  uint64_t published;
  int code = read_published(consumer, &published, error);
  bool found = false, astray = false;
  uint64_t dropped = consumer->dropped;
  struct sassl_ring_slot slot = {0};
  while (code == SASSL_RING_OK && !found && consumer->taken < published) {
    slot = *mapping_slot(consumer->current, consumer->taken);
    if (slot.sequence != consumer->taken) return scribbled(consumer, error, "a slot holds another sequence than it should");
    found = slot.generation == consumer->generation && slot.number == consumer->wanted;
    if (found) break;
    // A later batch than ours, made for our own request, or one that is further behind than `align` puts up with: never so
    // between correct programs, but asking again is always right.
    uint64_t patience = 2 * (uint64_t)consumer->current->geometry.slot_count;
    if (slot.generation == consumer->generation && slot.number + patience - consumer->wanted > patience) astray = true;
    consumer->taken++;
    consumer->dropped++;
  }
  if (code == SASSL_RING_OK && consumer->dropped != dropped) code = commit(consumer);
  if (code == SASSL_RING_OK && !found) code = repeat_request(consumer, astray);
  if (code != SASSL_RING_OK) return code;
  return found ? hand_out(consumer, &slot, lease, error) : SASSL_RING_TIMEOUT;
}

/// True when nothing can come from the current instance any more. Take once more after this: what the producer
/// published before it went is complete and final only now.
static bool producer_is_gone(struct sassl_ring_consumer *consumer) {
  return LOAD(consumer->current->header->producer_state) != SASSL_RING_SERVING ||
         !byte_is_locked(consumer->lock_descriptor, SASSL_RING_PRODUCER_LOCK);
}

static bool any_occupies(const struct sassl_ring_consumer *consumer) {
  for (const struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) {
    if (lease->occupies) return true;
  }
  return false;
}

/// Mutex held. On an error some batches may have been moved, and all stay readable.
static int move_leases_aside(struct sassl_ring_consumer *consumer, struct sassl_ring_error *error) {
  for (struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) {
    if (!lease->occupies) continue;
    int code = mapping_move_aside(lease->mapping, lease->sequence, consumer->path, error);
    if (code != SASSL_RING_OK) return code;
    lease->occupies = false;
  }
  return SASSL_RING_OK;
}

/// Gives a dead, drained instance's memory back, which makes room for a successor where there is room for only one ring. The
/// header stays, for our position is in it. Mutex held.
static void empty(struct sassl_ring_consumer *consumer) {
  if (consumer->emptied) return;
  // What is still referred to, as by the variable of a loop that waits here, must not keep the successor out.
  if (move_leases_aside(consumer, NULL) != SASSL_RING_OK) return;
  const struct sassl_ring_geometry *geometry = &consumer->current->geometry;
  fallocate(consumer->lock_descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)geometry->payload_offset,
            (off_t)(geometry->file_bytes - geometry->payload_offset));
  consumer->emptied = true;
}

/// Looks for a successor. TIMEOUT when there is one now, and while there is still hope. Mutex held.
static int seek_successor(struct sassl_ring_consumer *consumer, bool *found, struct sassl_ring_error *error) {
  empty(consumer);
  uint64_t now = monotonic_ns();
  if (consumer->absent_since == 0) consumer->absent_since = now;
  struct sassl_ring_error attempt;
  int code = try_attach(consumer, &attempt);
  *found = code == SASSL_RING_OK;
  if (*found) return SASSL_RING_TIMEOUT;
  if (code != SASSL_RING_ERROR_ABSENT) {
    if (error != NULL) *error = attempt;
    return code;
  }
  if (now - consumer->absent_since < consumer->absence_timeout_ns) return SASSL_RING_TIMEOUT;
  return fail(error, SASSL_RING_ERROR_ABSENT, 0,
              "sassld went away and did not come back within %" PRIu64 " s: %.300s. Batch %" PRIu64 " is next",
              consumer->absence_timeout_ns / UINT64_C(1000000000), attempt.message, consumer->wanted);
}

/// What `wait_for_change` sleeps on.
struct watch {
  struct sassl_ring_mapping *mapping;  // retained; NULL to sleep for a successor, whose arrival no futex announces
  uint32_t signal;
};

/// One look for the next batch. On TIMEOUT `watch` says what to wait for; nothing, and look again, when `*again`. Mutex held.
static int look(struct sassl_ring_consumer *consumer, struct sassl_ring_lease *lease, struct watch *watch, bool *again,
                struct sassl_ring_error *error) {
  // Read before the counters: whatever is published after our look changes this word, and the futex will not sleep.
  watch->signal = LOAD(consumer->current->header->published_signal);
  int code = take(consumer, lease, error);
  if (code == SASSL_RING_TIMEOUT && producer_is_gone(consumer)) {
    code = take(consumer, lease, error);
    return code == SASSL_RING_TIMEOUT ? seek_successor(consumer, again, error) : code;
  }
  if (code == SASSL_RING_TIMEOUT) {
    watch->mapping = consumer->current;
    sassl_ring_mapping_retain(watch->mapping);
  }
  return code;
}

/// Sleeps for at most `limit_ns`, which counts as the reader's waiting time.
static void wait_for_change(struct sassl_ring_consumer *consumer, const struct watch *watch, uint64_t limit_ns) {
  if (watch->mapping == NULL) {
    sleep_ns(limit_ns < ARRIVAL_POLL_NS ? limit_ns : ARRIVAL_POLL_NS);
    return;
  }
  struct sassl_ring_header *header = watch->mapping->header;
  uint64_t since = monotonic_ns();
  STORE(header->consumer_waiting_since_ns, since);
  futex_wait(&header->published_signal, watch->signal, limit_ns < WAIT_SLICE_NS ? limit_ns : WAIT_SLICE_NS);
  STORE(header->consumer_waiting_since_ns, 0);
  pthread_mutex_lock(&consumer->mutex);
  consumer->waited_ns += monotonic_ns() - since;
  STORE(consumer->current->header->consumer_waited_ns, consumer->waited_ns);
  pthread_mutex_unlock(&consumer->mutex);
}

static void free_lease(struct lease *lease) {
  sassl_ring_mapping_release(lease->mapping);
  free(lease);
}

/// Takes a lease out of the list; NULL when it is not in there. Mutex held.
static struct lease *take_out(struct sassl_ring_consumer *consumer, uint64_t identifier) {
  struct lease **link = &consumer->leases;
  while (*link != NULL && (*link)->identifier != identifier) link = &(*link)->next;
  struct lease *lease = *link;
  if (lease != NULL) *link = lease->next;
  return lease;
}

/// Counts a batch that was let go without a word as read. Mutex held.
static int settle(struct sassl_ring_consumer *consumer) {
  if (!consumer->is_forgotten) return SASSL_RING_OK;
  consumer->is_forgotten = false;
  int code = commit(consumer);
  return code == SASSL_RING_OK ? follow(consumer) : code;
}

int sassl_ring_consumer_next(struct sassl_ring_consumer *consumer, uint64_t timeout_ns, struct sassl_ring_lease *lease,
                             struct sassl_ring_error *error) {
  if (fork_guard_tripped(&consumer->guard)) return forked(error);
  uint64_t start = monotonic_ns();
  __atomic_fetch_add(&consumer->waiters, 1, __ATOMIC_RELAXED);
  for (;;) {
    struct watch watch = {0};
    bool again = false;
    pthread_mutex_lock(&consumer->mutex);
    int code = consumer->detached ? closed(error) : settle(consumer);
    if (code == SASSL_RING_OK) code = look(consumer, lease, &watch, &again, error);
    pthread_mutex_unlock(&consumer->mutex);
    uint64_t elapsed = monotonic_ns() - start;
    bool finished = code != SASSL_RING_TIMEOUT || (elapsed >= timeout_ns && !again);
    if (!finished && !again) wait_for_change(consumer, &watch, timeout_ns - elapsed);
    if (watch.mapping != NULL) sassl_ring_mapping_release(watch.mapping);
    if (finished) {
      __atomic_fetch_sub(&consumer->waiters, 1, __ATOMIC_RELAXED);
      return code;
    }
  }
}

// Giving up

/// Lets the next reader in, unless a batch lies in a slot that only we protect. Mutex held.
static void give_up_lock(struct sassl_ring_consumer *consumer) {
  if (any_occupies(consumer)) return;
  drop_lock(consumer->lock_descriptor, SASSL_RING_CONSUMER_LOCK);
  consumer->lock_descriptor = -1;
}

/// Maps the current instance once more, because its slots that were moved aside are hidden in the former mapping. Mutex held.
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
  if (fork_guard_tripped(&consumer->guard)) return forked(error);
  pthread_mutex_lock(&consumer->mutex);
  int code = consumer->detached ? closed(error) : settle(consumer);
  if (code == SASSL_RING_OK && blocks_itself(consumer)) {
    code = move_leases_aside(consumer, error);
    // Also where only some were moved: their slots must not be read through the former mapping.
    int mapped = map_again(consumer, code == SASSL_RING_OK ? error : NULL);
    if (code == SASSL_RING_OK) code = mapped;
    if (code == SASSL_RING_OK) code = commit(consumer);
  }
  if (code == SASSL_RING_OK) code = follow(consumer);
  pthread_mutex_unlock(&consumer->mutex);
  return code;
}

int sassl_ring_consumer_detach(struct sassl_ring_consumer *consumer, int done, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&consumer->guard)) return forked(error);
  pthread_mutex_lock(&consumer->mutex);
  int code = SASSL_RING_OK;
  if (consumer->detached) {
    code = closed(error);
  } else {
    consumer->detached = true;
    code = move_leases_aside(consumer, error);
    if (done) {
      consumer->is_forgotten = false;
      for (struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) lease->counts = false;
      int committed = commit(consumer);
      if (code == SASSL_RING_OK) code = committed;
      if (code == SASSL_RING_OK) code = follow(consumer);
    }
    give_up_lock(consumer);
  }
  pthread_mutex_unlock(&consumer->mutex);
  return code;
}

/// What follows when a lease is over. Mutex held.
static int end(struct sassl_ring_consumer *consumer, struct lease *lease) {
  int code = SASSL_RING_OK;
  // Once detached, what counts as read was written down.
  if (!consumer->detached) code = commit(consumer);
  if (!consumer->detached && code == SASSL_RING_OK) code = follow(consumer);
  free_lease(lease);
  if (consumer->detached) give_up_lock(consumer);
  return code;
}

int sassl_ring_consumer_release(struct sassl_ring_consumer *consumer, uint64_t identifier, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&consumer->guard)) return forked(error);
  pthread_mutex_lock(&consumer->mutex);
  struct lease *lease = take_out(consumer, identifier);
  int code = lease == NULL ? fail(error, SASSL_RING_ERROR_STATE, 0, "this batch was released already") : end(consumer, lease);
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
  struct lease *lease = take_out(consumer, held->identifier);
  bool is_latest = held->identifier + 1 == consumer->next_identifier;
  bool is_asked = __atomic_load_n(&consumer->waiters, __ATOMIC_RELAXED) > 0;
  if (lease != NULL && is_latest && lease->counts && !held->done && !is_asked) {
    consumer->is_forgotten = true;
    consumer->forgotten = lease->number;
  }
  if (lease != NULL) end(consumer, lease);
  pthread_mutex_unlock(&consumer->mutex);
}

int sassl_ring_consumer_seek(struct sassl_ring_consumer *consumer, uint64_t number, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&consumer->guard)) return forked(error);
  if (number > SASSL_RING_MAXIMUM_NUMBER) {
    return fail(error, SASSL_RING_ERROR_ARGUMENT, 0, "batch numbers end at %" PRIu64, SASSL_RING_MAXIMUM_NUMBER);
  }
  pthread_mutex_lock(&consumer->mutex);
  if (consumer->detached) {
    pthread_mutex_unlock(&consumer->mutex);
    return closed(error);
  }
  for (struct lease *lease = consumer->leases; lease != NULL; lease = lease->next) lease->counts = false;
  consumer->wanted = number;
  consumer->continues = false;
  consumer->is_forgotten = false;
  int code = commit(consumer);
  if (code == SASSL_RING_OK) code = align(consumer, error);
  if (code == SASSL_RING_OK) code = follow(consumer);
  pthread_mutex_unlock(&consumer->mutex);
  return code;
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

int sassl_ring_consumer_close(struct sassl_ring_consumer *consumer) {
  // Every release was written when it happened, so there is nothing left to say: a clean end and a crash look the same.
  sassl_ring_consumer_abandon(consumer);
  return SASSL_RING_OK;
}
