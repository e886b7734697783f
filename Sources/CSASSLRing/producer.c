// The producer's side: create the segment, fill slots in any order, publish them in stream order, obey seeks.
#define _GNU_SOURCE
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/// What the producer knows of a slot. A published slot is IDLE here: whether it may be filled again is said by `released`.
enum slot_state {
  SLOT_IDLE,
  SLOT_RESERVED,  // somebody fills it
  SLOT_WRITTEN,   // filled, waits for earlier ones
  SLOT_REOPENED,  // given back unfilled, to be reserved again
  SLOT_VOID,      // somebody fills it in vain, because of a seek
};

struct producer_slot {
  enum slot_state state;
  uint64_t sequence;
  uint64_t number;
  uint64_t generation;
};

/// Where a producer is in its life.
enum stage { STAGE_SERVING, STAGE_RENEWING, STAGE_FINISHED };

/// A ring's file, complete: what `create_segment` makes.
struct segment {
  struct sassl_ring_mapping *mapping;
  int lock_descriptor;
  uint64_t start;
  bool resumed;
};

struct sassl_ring_producer {
  struct fork_guard guard;
  // Protects everything below and the order of publication; never held while waiting or computing a checksum.
  pthread_mutex_t mutex;
  struct sassl_ring_mapping *mapping;
  int lock_descriptor;
  uint64_t start;
  bool resumed;
  enum stage stage;
  struct producer_words words;
  uint64_t next_sequence;  // to be reserved next
  uint64_t next_number;    // to be reserved next
  uint64_t released_seen;
  uint64_t waiters;
  char path[4096];
  // What was asked for, for the next instance: copies of ours, but for the fields, which the mapping has.
  struct sassl_ring_producer_options options;
  char *directory;
  char *name;
  char *settings;
  sassl_ring_hook hook;
  void *hook_context;
  struct producer_slot slots[];
};

static bool stopped_at(struct sassl_ring_producer *producer, enum sassl_ring_step step) {
  return __builtin_expect(producer->hook != NULL, 0) && producer->hook(step, producer->hook_context) != 0;
}

#define STEP(owner, step)                                            \
  do {                                                               \
    if (stopped_at((owner), (step))) return SASSL_RING_ABANDONED;    \
  } while (0)

static int forked(struct sassl_ring_error *error) {
  return fail(error, SASSL_RING_ERROR_FORKED, 0, "this ring was created by the parent process; a child cannot use it");
}

// Layout

static uint64_t round_up(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

/// Computes offsets; `fields` (field_count of them) receives the completed table.
static int lay_out(const struct sassl_ring_producer_options *options, struct sassl_ring_geometry *geometry,
                   struct sassl_ring_field *fields, struct sassl_ring_error *error) {
  if (options->slot_count == 0 || options->slot_count > SASSL_RING_MAXIMUM_SLOTS) {
    return fail(error, SASSL_RING_ERROR_ARGUMENT, 0, "a ring has 1 to %u slots, not %u", SASSL_RING_MAXIMUM_SLOTS,
                options->slot_count);
  }
  if (options->field_count == 0 || options->field_count > SASSL_RING_MAXIMUM_FIELDS) {
    return fail(error, SASSL_RING_ERROR_ARGUMENT, 0, "a ring has 1 to %u fields, not %u", SASSL_RING_MAXIMUM_FIELDS,
                options->field_count);
  }
  if (options->rank >= options->world_size) {
    return fail(error, SASSL_RING_ERROR_ARGUMENT, 0, "rank %u is not below the world size %u", options->rank,
                options->world_size);
  }
  if (options->name == NULL || !name_is_valid(options->name, SASSL_RING_NAME_BYTES)) {
    char path[4096];
    return sassl_ring_path(options->directory, options->name, options->rank, path, sizeof path, error);
  }
  if (options->start_batch > SASSL_RING_MAXIMUM_NUMBER) {
    return fail(error, SASSL_RING_ERROR_ARGUMENT, 0, "batch numbers end at %" PRIu64, SASSL_RING_MAXIMUM_NUMBER);
  }
  uint64_t settings_bytes = options->settings == NULL ? 0 : strlen(options->settings);
  if (settings_bytes > SASSL_RING_MAXIMUM_SETTINGS_BYTES) {
    return fail(error, SASSL_RING_ERROR_ARGUMENT, 0, "settings have at most %u bytes, not %" PRIu64,
                SASSL_RING_MAXIMUM_SETTINGS_BYTES, settings_bytes);
  }
  uint64_t payload = 0;
  for (uint32_t index = 0; index < options->field_count; index++) {
    struct sassl_ring_field *field = &fields[index];
    *field = options->fields[index];
    field->reserved = 0;
    uint64_t bytes = sassl_ring_dtype_bytes(field->dtype);
    bool sound = name_is_valid(field->name, sizeof field->name) && bytes > 0 &&
                 field->dimensions <= SASSL_RING_MAXIMUM_DIMENSIONS;
    for (uint32_t axis = 0; sound && axis < SASSL_RING_MAXIMUM_DIMENSIONS; axis++) {
      if (axis >= field->dimensions) field->shape[axis] = 0;
      else sound = field->shape[axis] > 0 && !__builtin_mul_overflow(bytes, field->shape[axis], &bytes);
    }
    for (uint32_t earlier = 0; sound && earlier < index; earlier++) {
      sound = strcmp(fields[earlier].name, field->name) != 0;
    }
    field->offset = round_up(payload, SASSL_RING_FIELD_ALIGNMENT);
    field->bytes = bytes;
    if (!sound || bytes > (UINT64_C(1) << 48) || field->offset > (UINT64_C(1) << 48)) {
      return fail(error, SASSL_RING_ERROR_ARGUMENT, 0,
                  "field %u ('%.31s') needs a name of its own, a known element type and 0 to 8 positive dimensions", index,
                  field->name);
    }
    payload = field->offset + bytes;
  }
  memset(geometry, 0, sizeof *geometry);
  memcpy(geometry->fingerprint, options->fingerprint, sizeof geometry->fingerprint);
  strcpy(geometry->name, options->name);
  uint64_t system_page = (uint64_t)sysconf(_SC_PAGESIZE);
  uint64_t page = system_page < SASSL_RING_HEADER_BYTES ? SASSL_RING_HEADER_BYTES : system_page;
  geometry->slot_count = options->slot_count;
  geometry->field_count = options->field_count;
  geometry->batch_size = options->batch_size;
  geometry->rank = options->rank;
  geometry->world_size = options->world_size;
  geometry->page_bytes = (uint32_t)page;
  geometry->slots_offset = page + options->field_count * sizeof(struct sassl_ring_field);
  uint64_t slots_end = geometry->slots_offset + options->slot_count * sizeof(struct sassl_ring_slot);
  geometry->settings_offset = settings_bytes > 0 ? slots_end : 0;
  geometry->settings_bytes = settings_bytes;
  geometry->payload_offset = round_up(slots_end + settings_bytes, page);
  geometry->payload_bytes = payload;
  geometry->slot_bytes = round_up(payload, page);
  geometry->file_bytes = geometry->payload_offset + geometry->slot_bytes * options->slot_count;
  geometry->batches_per_epoch = options->batches_per_epoch;
  return SASSL_RING_OK;
}

uint64_t sassl_ring_segment_bytes(const struct sassl_ring_producer_options *options, struct sassl_ring_error *error) {
  struct sassl_ring_geometry geometry;
  struct sassl_ring_field *fields = calloc(options->field_count + 1, sizeof *fields);
  if (fields == NULL) return fail(error, SASSL_RING_ERROR_SYSTEM, ENOMEM, "out of memory"), 0;
  int result = lay_out(options, &geometry, fields, error);
  free(fields);
  return result == SASSL_RING_OK ? geometry.file_bytes : 0;
}

// Creation

static int busy(struct sassl_ring_error *error, const char *path, int descriptor) {
  int32_t holder = 0;
  const char *elsewhere = "";
  struct sassl_ring_header header;
  if (pread(descriptor, &header, sizeof header, 0) == (ssize_t)sizeof header &&
      memcmp(header.magic, SASSL_RING_MAGIC, sizeof header.magic) == 0) {
    holder = header.producer_pid;
    // The number is that which the holder has in its own namespace; here it may be nobody's, or somebody else's.
    if (start_ticks_of(holder) != header.producer_start_ticks) {
      elsewhere = ", which cannot be seen from here (is it in a container?)";
    }
  }
  int result = fail(error, SASSL_RING_ERROR_BUSY, 0,
                    "%s is being filled by process %d%s: stop that one or choose another name", path, holder, elsewhere);
  if (error != NULL) error->holder_pid = holder;
  return result;
}

/// A producer replaces files of its own user alone: whose a ring is does not change from one instance to the next.
static int anothers(struct sassl_ring_error *error, const char *path, uid_t owner) {
  char name[USER_NAME_BYTES];
  sassl_ring_user_name(owner, name, sizeof name);
  return fail(error, SASSL_RING_ERROR_OWNER, 0,
              "%.255s belongs to user %s and not to this one (%u): a stream of that user has the same name. Choose another "
              "stream.name, or have that user's sassld stopped and the file removed",
              path, name, geteuid());
}

static int refused(struct sassl_ring_error *error, const char *path) {
  int cause = errno;
  struct stat status;
  if (cause == EACCES && lstat(path, &status) == 0 && status.st_uid != geteuid()) {
    return anothers(error, path, status.st_uid);
  }
  return segment_refused(path, cause, NO_OTHER_OWNER, error);
}

/// Finds what a dead predecessor left and takes its lock, so that nobody else replaces it meanwhile. `*stale` is -1 if there is nothing.
static int claim_stale(const char *path, int *stale, struct sassl_ring_error *error) {
  *stale = -1;
  for (int attempt = 0; attempt < 100; attempt++) {
    int descriptor = segment_open(path, O_RDWR);
    if (descriptor < 0) {
      if (errno == ENOENT) return SASSL_RING_OK;
      return refused(error, path);
    }
    struct stat status;
    bool is_known = fstat(descriptor, &status) == 0;
    if (is_known && status.st_uid != geteuid()) {
      close(descriptor);
      return anothers(error, path, status.st_uid);
    }
    if (!is_known || !S_ISREG(status.st_mode)) {
      close(descriptor);
      return fail(error, SASSL_RING_ERROR_CORRUPT, 0, "%s is in the way and not a regular file: remove it", path);
    }
    if (!lock_byte(descriptor, SASSL_RING_PRODUCER_LOCK)) {
      int result = busy(error, path, descriptor);
      close(descriptor);
      return result;
    }
    // The file may have been replaced between open and lock; then the lock that counts is on its successor.
    if (same_file(descriptor, path)) {
      *stale = descriptor;
      return SASSL_RING_OK;
    }
    close(descriptor);
  }
  return fail(error, SASSL_RING_ERROR_BUSY, 0, "%s keeps changing hands: another process starts the same ring", path);
}

/// What a dead predecessor left, with its producer lock in our hands.
struct predecessor {
  int descriptor;                      // -1 where there is none
  struct sassl_ring_mapping *mapping;  // NULL where there is none, or where the file is no ring
};

/// From now on nobody may attach to it, and its reader, if it has one, finishes and looks for us.
static void retire_predecessor(struct predecessor *predecessor, const char *path) {
  struct sassl_ring_geometry geometry;
  struct sassl_ring_field *fields;
  if (segment_inspect(predecessor->descriptor, path, &geometry, &fields, NULL) != SASSL_RING_OK) return;
  if (segment_map(predecessor->descriptor, path, &geometry, fields, MAP_FOR_PRODUCER, &predecessor->mapping, NULL) !=
      SASSL_RING_OK) {
    return;
  }
  STORE(predecessor->mapping->header->producer_state, SASSL_RING_CLOSED);
  futex_raise(&predecessor->mapping->header->published_signal);
}

/// Where the reader of a dead predecessor stands, if that made the same stream.
static bool find_resumption(const struct predecessor *predecessor, const struct sassl_ring_geometry *wanted,
                            uint64_t *number) {
  if (predecessor->mapping == NULL) return false;
  const struct sassl_ring_geometry *geometry = &predecessor->mapping->geometry;
  struct sassl_ring_header *header = predecessor->mapping->header;
  STORE(header->producer_state, SASSL_RING_SUPERSEDED);
  // Pairs with the fence in commit: a reader that moves on after we have looked sees the mark, and comes to tell us.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  uint64_t reader_next = LOAD(header->reader_next);
  if (memcmp(geometry->fingerprint, wanted->fingerprint, sizeof geometry->fingerprint) != 0 ||
      geometry->rank != wanted->rank || geometry->world_size != wanted->world_size ||
      geometry->batch_size != wanted->batch_size || reader_next > SASSL_RING_MAXIMUM_NUMBER) {
    return false;
  }
  *number = reader_next;
  return true;
}

/// Gives the memory of a predecessor without a reader back. One with a reader does that itself once it has finished.
static void empty_predecessor(const struct predecessor *predecessor) {
  if (predecessor->mapping == NULL) return;
  // Pairs with the fence in try_open: a reader that attaches now either sees that this instance is closed, or we see its lock.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (byte_is_locked(predecessor->descriptor, SASSL_RING_CONSUMER_LOCK)) return;
  const struct sassl_ring_geometry *geometry = &predecessor->mapping->geometry;
  fallocate(predecessor->descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)geometry->payload_offset,
            (off_t)(geometry->file_bytes - geometry->payload_offset));
}

/// Unlinks `path` if it is still the file behind `descriptor`, whose producer lock we hold.
static void remove_own(const char *path, int descriptor) {
  if (same_file(descriptor, path)) unlink(path);
}

static int no_space(struct sassl_ring_error *error, const char *directory, int descriptor, uint64_t needed, int cause) {
  struct statvfs file_system;
  uint64_t available = 0;
  if (fstatvfs(descriptor, &file_system) == 0) available = (uint64_t)file_system.f_bavail * file_system.f_frsize;
  int result = fail(error, SASSL_RING_ERROR_SPACE, cause,
                    "%s has no room for the ring: it needs %" PRIu64 " bytes, %" PRIu64
                    " are available. Lower the number of slots, the batch size or the image size, or enlarge the file system "
                    "(mount -o remount,size=... %s)",
                    directory, needed, available, directory);
  if (error != NULL) error->needed = needed, error->available = available;
  return result;
}

/// Reserves every byte now, so that no write to the mapping can fail later. Where memory lacks, a dead predecessor's is given
/// back first; a reader that still holds it has until `space_timeout_ns` from now.
static int reserve_bytes(const struct sassl_ring_producer_options *options, const char *directory, int descriptor,
                         uint64_t bytes, const struct predecessor *predecessor, struct sassl_ring_error *error) {
  uint64_t start = monotonic_ns();
  bool emptied = predecessor->mapping == NULL;
  for (;;) {
    int cause = posix_fallocate(descriptor, 0, (off_t)bytes);
    if (cause == 0) return SASSL_RING_OK;
    if (cause == EINTR) continue;
    if (cause != ENOSPC && cause != EFBIG && cause != ENOMEM && cause != EDQUOT) {
      return fail(error, SASSL_RING_ERROR_SYSTEM, cause, "cannot reserve %" PRIu64 " bytes in %s: %s", bytes, directory,
                  strerror(cause));
    }
    bool is_read = !emptied && byte_is_locked(predecessor->descriptor, SASSL_RING_CONSUMER_LOCK);
    if (emptied || (is_read && monotonic_ns() - start >= options->space_timeout_ns)) {
      return no_space(error, directory, descriptor, bytes, cause);
    }
    // A reader may give its predecessor's memory back at any moment and stay attached, so while it reads only time decides.
    emptied = !is_read;
    empty_predecessor(predecessor);
    if (is_read) sleep_ns(ARRIVAL_POLL_NS);
  }
}

static void write_header(struct sassl_ring_header *header, struct sassl_ring_geometry *geometry) {
  uint64_t now = monotonic_ns();
  geometry->producer_pid = getpid();
  geometry->producer_start_ticks = own_start_ticks();
  geometry->created_unix_ns = unix_ns();
  geometry->created_ns = now;
  memcpy(header->magic, SASSL_RING_MAGIC, sizeof header->magic);
  header->abi_version = SASSL_RING_ABI_VERSION;
  header->byte_order = SASSL_RING_BYTE_ORDER;
  memcpy(header->instance, geometry->instance, sizeof header->instance);
  memcpy(header->fingerprint, geometry->fingerprint, sizeof header->fingerprint);
  header->page_bytes = geometry->page_bytes;
  header->slot_count = geometry->slot_count;
  header->field_count = geometry->field_count;
  header->batch_size = geometry->batch_size;
  header->slots_offset = geometry->slots_offset;
  header->payload_offset = geometry->payload_offset;
  header->slot_bytes = geometry->slot_bytes;
  header->payload_bytes = geometry->payload_bytes;
  header->file_bytes = geometry->file_bytes;
  header->rank = geometry->rank;
  header->world_size = geometry->world_size;
  header->batches_per_epoch = geometry->batches_per_epoch;
  header->producer_pid = geometry->producer_pid;
  header->producer_start_ticks = geometry->producer_start_ticks;
  header->created_unix_ns = geometry->created_unix_ns;
  header->created_ns = now;
  memcpy(header->name, geometry->name, sizeof header->name);
  header->settings_offset = geometry->settings_offset;
  header->settings_bytes = geometry->settings_bytes;
  header->heartbeat_ns = now;
  header->producer_state = SASSL_RING_SERVING;
}

// Between a ring's name and the random end of the name that its successor has until it takes the ring's place.
#define TEMPORARY_MARK ".next"

/// Removes what predecessors that died in `name_segment` left. The lock of the ring's file, which we hold, is also that of its
/// temporary names; files of others are theirs.
static void tidy_temporaries(const char *path) {
  const char *name = strrchr(path, '/') + 1;
  char directory[4096], prefix[SASSL_RING_NAME_BYTES + 64];
  snprintf(directory, sizeof directory, "%.*s", (int)(name - path), path);
  int length = snprintf(prefix, sizeof prefix, "%s" TEMPORARY_MARK, name);
  DIR *entries = opendir(directory);
  if (entries == NULL) return;
  for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
    struct stat status;
    if (strncmp(entry->d_name, prefix, (size_t)length) == 0 &&
        fstatat(dirfd(entries), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_uid == geteuid()) {
      unlinkat(dirfd(entries), entry->d_name, 0);
    }
  }
  closedir(entries);
}

static int link_segment(const char *self, const char *name, struct sassl_ring_error *error) {
  if (linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0) return SASSL_RING_OK;
  int cause = errno;
  if (cause == EEXIST) {
    return fail(error, SASSL_RING_ERROR_BUSY, cause, "%s was created by another process at the same moment", name);
  }
  return fail(error, SASSL_RING_ERROR_SYSTEM, cause, "cannot create %s: %s", name, strerror(cause));
}

/// Gives the complete segment, reachable as `self`, its name.
static int name_segment(struct sassl_ring_producer *producer, const char *self, const struct predecessor *predecessor,
                        struct sassl_ring_error *error) {
  const char *path = producer->path;
  if (predecessor->descriptor < 0 || !same_file(predecessor->descriptor, path)) return link_segment(self, path, error);
  tidy_temporaries(path);
  // Nobody can take a name that nobody can guess.
  uint64_t end;
  if (getrandom(&end, sizeof end, 0) != (ssize_t)sizeof end) {
    return fail(error, SASSL_RING_ERROR_SYSTEM, errno, "no random numbers: %s", strerror(errno));
  }
  char temporary[sizeof producer->path + 32];
  snprintf(temporary, sizeof temporary, "%s" TEMPORARY_MARK "-%016" PRIx64, path, end);
  int result = link_segment(self, temporary, error);
  if (result != SASSL_RING_OK) return result;
  STEP(producer, SASSL_RING_STEP_SEGMENT_NAMED);
  // In one step, so that at every moment one file knows where the reader stands. Who has the old one mapped keeps it.
  if (rename(temporary, path) != 0) {
    int cause = errno;
    unlink(temporary);
    return fail(error, SASSL_RING_ERROR_SYSTEM, cause, "cannot replace %s: %s", path, strerror(cause));
  }
  return SASSL_RING_OK;
}

/// Who may open the file. By fchmod: the umask has no say.
static int set_access(int descriptor, int64_t group_id, struct sassl_ring_error *error) {
  // Only where it has another group: a service's system call filter may refuse to change any.
  struct stat status;
  bool has_group = fstat(descriptor, &status) == 0 && status.st_gid == (gid_t)group_id;
  if (group_id >= 0 && !has_group && fchown(descriptor, (uid_t)-1, (gid_t)group_id) != 0) {
    int cause = errno;
    return fail(error, SASSL_RING_ERROR_SYSTEM, cause,
                "cannot give the ring to group %" PRId64 ": %s (this user must be a member of that group)", group_id,
                strerror(cause));
  }
  if (fchmod(descriptor, group_id >= 0 ? 0660 : 0600) != 0) {
    return fail(error, SASSL_RING_ERROR_SYSTEM, errno, "cannot set the mode of the ring's file: %s", strerror(errno));
  }
  return SASSL_RING_OK;
}

/// The rest of `create_segment`, with the file open.
static int fill_segment(struct sassl_ring_producer *producer, int descriptor, struct sassl_ring_geometry *geometry,
                        struct sassl_ring_field *fields, const struct predecessor *predecessor, struct segment *segment,
                        struct sassl_ring_error *error) {
  const struct sassl_ring_producer_options *options = &producer->options;
  const char *path = producer->path;
  int result = reserve_bytes(options, producer->directory, descriptor, geometry->file_bytes, predecessor, error);
  if (result == SASSL_RING_OK && stopped_at(producer, SASSL_RING_STEP_SEGMENT_RESERVED)) result = SASSL_RING_ABANDONED;
  if (result == SASSL_RING_OK) result = set_access(descriptor, options->group_id, error);
  if (result == SASSL_RING_OK &&
      getrandom(geometry->instance, sizeof geometry->instance, 0) != (ssize_t)sizeof geometry->instance) {
    result = fail(error, SASSL_RING_ERROR_SYSTEM, errno, "no random numbers: %s", strerror(errno));
  }
  if (result != SASSL_RING_OK) {
    free(fields);
    return result;
  }
  result = segment_map(descriptor, path, geometry, fields, MAP_FOR_PRODUCER, &segment->mapping, error);
  if (result != SASSL_RING_OK) return result;
  struct sassl_ring_header *header = segment->mapping->header;
  write_header(header, &segment->mapping->geometry);
  memcpy(segment->mapping->body, fields, geometry->field_count * sizeof *fields);
  if (geometry->settings_bytes > 0) {
    memcpy(segment->mapping->body + (geometry->settings_offset - geometry->page_bytes), options->settings,
           geometry->settings_bytes);
  }

  // The lock lives on a description of its own. The mapping keeps the other one open, also in a forked child, where it would
  // keep a lock alive after our death.
  char self[64];
  snprintf(self, sizeof self, "/proc/self/fd/%d", descriptor);
  segment->lock_descriptor = open(self, O_RDWR | O_CLOEXEC);
  if (segment->lock_descriptor < 0 || !lock_byte(segment->lock_descriptor, SASSL_RING_PRODUCER_LOCK)) {
    return fail(error, SASSL_RING_ERROR_SYSTEM, errno, "cannot lock the new ring: %s", strerror(errno));
  }
  // As late as possible: until the file is there, a reader that follows us has to wait.
  uint64_t number = options->start_batch;
  bool found = find_resumption(predecessor, geometry, &number);
  segment->resumed = found && options->resume;
  segment->start = segment->resumed ? number : options->start_batch;
  header->next_batch = segment->start;
  header->reader_next = segment->start;
  STEP(producer, SASSL_RING_STEP_SEGMENT_WRITTEN);
  return name_segment(producer, self, predecessor, error);
}

/// Makes a segment in the place of `predecessor`, whose producer lock we hold if there is one. Takes over `fields`. Whatever
/// happens, what `segment` has in the end is for the caller to give back.
static int create_segment(struct sassl_ring_producer *producer, struct sassl_ring_geometry *geometry,
                          struct sassl_ring_field *fields, const struct predecessor *predecessor, struct segment *segment,
                          struct sassl_ring_error *error) {
  // Without a name until it is complete: nobody sees half a header, and a killed process leaves nothing behind.
  int descriptor = open(producer->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    int cause = errno;
    free(fields);
    return fail(error, SASSL_RING_ERROR_SYSTEM, cause,
                "cannot create shared memory in %s: %s (it must be an existing, writable directory on tmpfs or another "
                "file system with O_TMPFILE)",
                producer->directory, strerror(cause));
  }
  int result = fill_segment(producer, descriptor, geometry, fields, predecessor, segment, error);
  close(descriptor);
  if (result == SASSL_RING_OK) STEP(producer, SASSL_RING_STEP_SEGMENT_VISIBLE);
  return result;
}

/// Starts anew with a segment in which nothing has happened yet. Mutex held, or nobody else there yet.
static void adopt(struct sassl_ring_producer *producer, const struct segment *segment) {
  producer->mapping = segment->mapping;
  producer->lock_descriptor = segment->lock_descriptor;
  producer->start = segment->start;
  producer->resumed = segment->resumed;
  producer->stage = STAGE_SERVING;
  producer->words = (struct producer_words){
      .next_batch = segment->start, .heartbeat_ns = segment->mapping->geometry.created_ns, .state = SASSL_RING_SERVING};
  producer->next_sequence = 0;
  producer->next_number = segment->start;
  producer->released_seen = 0;
  memset(producer->slots, 0, segment->mapping->geometry.slot_count * sizeof *producer->slots);
}

static void discard(struct segment *segment) {
  drop_lock(segment->lock_descriptor, SASSL_RING_PRODUCER_LOCK);
  if (segment->mapping != NULL) sassl_ring_mapping_release(segment->mapping);
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
  int code = lay_out(options, &geometry, fields, error);
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
  if (code == SASSL_RING_OK) code = claim_stale(producer->path, &predecessor.descriptor, error);
  if (code != SASSL_RING_OK) {
    free(fields);
  } else {
    if (predecessor.descriptor >= 0) retire_predecessor(&predecessor, producer->path);
    code = create_segment(producer, &geometry, fields, &predecessor, &segment, error);
  }
  if (predecessor.mapping != NULL) sassl_ring_mapping_release(predecessor.mapping);
  if (predecessor.descriptor >= 0) close(predecessor.descriptor);
  if (code != SASSL_RING_OK) {
    discard(&segment);
    free_producer(producer);
    return code;
  }
  adopt(producer, &segment);
  fork_guard_enter(&producer->guard, &producer->lock_descriptor);
  *result = producer;
  return SASSL_RING_OK;
}

// Filling

static struct producer_slot *slot_of(struct sassl_ring_producer *producer, uint64_t sequence) {
  return &producer->slots[sequence % producer->mapping->geometry.slot_count];
}

/// Books the time spent waiting for the reader: somebody wants a slot, and every slot holds a finished batch. While one is
/// still being filled, the wait is for ourselves. Mutex held.
static void note_waiting(struct sassl_ring_producer *producer) {
  struct sassl_ring_header *header = producer->mapping->header;
  struct producer_words *words = &producer->words;
  bool waits = producer->waiters > 0 && words->producing == 0;
  if (waits == (words->waiting_since_ns != 0)) return;
  uint64_t now = monotonic_ns();
  if (!waits) words->waited_ns += now - words->waiting_since_ns;
  words->waiting_since_ns = waits ? now : 0;
  STORE(header->producer_waiting_since_ns, words->waiting_since_ns);
  STORE(header->producer_waited_ns, words->waited_ns);
}

static void note_producing(struct sassl_ring_producer *producer) {
  uint64_t count = 0;
  for (uint32_t index = 0; index < producer->mapping->geometry.slot_count; index++) {
    enum slot_state state = producer->slots[index].state;
    count += state == SLOT_RESERVED || state == SLOT_VOID;
  }
  producer->words.producing = count;
  STORE(producer->mapping->header->producing, count);
  note_waiting(producer);
}

/// Says again what this side has said: the header is not believed, so what a stray write did to it lasts no longer than
/// until here. Mutex held.
static void repeat_words(struct sassl_ring_producer *producer) {
  struct sassl_ring_header *header = producer->mapping->header;
  struct producer_words *words = &producer->words;
  words->heartbeat_ns = monotonic_ns();
  STORE(header->heartbeat_ns, words->heartbeat_ns);
  STORE(header->next_batch, words->next_batch);
  STORE(header->published, words->published);
  STORE(header->seek_acknowledged, words->seek_acknowledged);
  STORE(header->producing, words->producing);
  STORE(header->producer_waited_ns, words->waited_ns);
  STORE(header->producer_waiting_since_ns, words->waiting_since_ns);
  STORE(header->producer_state, words->state);
}

/// Takes back every reservation and what waits to be published. Mutex held.
static void void_everything(struct sassl_ring_producer *producer) {
  for (uint32_t index = 0; index < producer->mapping->geometry.slot_count; index++) {
    struct producer_slot *slot = &producer->slots[index];
    if (slot->state == SLOT_RESERVED) slot->state = SLOT_VOID;
    else if (slot->state != SLOT_VOID) slot->state = SLOT_IDLE;
  }
  producer->next_sequence = producer->words.published;
}

/// Obeys a new seek request, if there is one. Only here, and once and for all, is it decided that a reservation is void: a count that
/// shows for a moment and goes again cannot make one half of a batch's makers believe in a seek. Mutex held.
static int obey_seek(struct sassl_ring_producer *producer, struct sassl_ring_error *error) {
  struct sassl_ring_header *header = producer->mapping->header;
  // Acquire, pairs with the release store in request_seek: the target read next is that request's, or a newer one's.
  uint64_t requested = LOAD(header->seek_requested);
  // A count that falls behind is no request. So one that flickers is obeyed once at most.
  if (!is_newer(requested, producer->words.seek_acknowledged)) return SASSL_RING_OK;
  uint64_t target = LOAD(header->seek_target);
  if (target > SASSL_RING_MAXIMUM_NUMBER) {
    return fail(error, SASSL_RING_ERROR_CORRUPT, 0,
                "the reader asked for the impossible batch %" PRIu64 ": something scribbled over the header of %s", target,
                producer->path);
  }
  STEP(producer, SASSL_RING_STEP_SEEK_NOTED);
  void_everything(producer);
  producer->words.seek_acknowledged = requested;
  producer->words.next_batch = target;
  producer->next_number = target;
  STORE(header->next_batch, target);
  STORE(header->seek_acknowledged, requested);
  STEP(producer, SASSL_RING_STEP_SEEK_ACKNOWLEDGED);
  // The consumer may be waiting for a batch that it now knows must be asked for; and a `reserve` in another thread can go on.
  futex_raise(&header->published_signal);
  futex_raise(&header->released_signal);
  return SASSL_RING_OK;
}

/// Reads how far the consumer is, not believing more than is possible. Mutex held.
static int note_released(struct sassl_ring_producer *producer, struct sassl_ring_error *error) {
  // Acquire, pairs with the release store in commit: the consumer's reads of those payloads are over.
  uint64_t released = LOAD(producer->mapping->header->released);
  if (released < producer->released_seen || released > producer->words.published) {
    return fail(error, SASSL_RING_ERROR_CORRUPT, 0,
                "the reader claims to have released %" PRIu64 " batches of %" PRIu64 " published, after %" PRIu64
                ": something scribbled over the header of %s",
                released, producer->words.published, producer->released_seen, producer->path);
  }
  producer->released_seen = released;
  return SASSL_RING_OK;
}

/// The sequence to fill next, if its slot is free. Mutex held.
static bool choose_slot(struct sassl_ring_producer *producer, uint64_t *sequence, uint64_t *number) {
  for (uint64_t earlier = producer->words.published; earlier < producer->next_sequence; earlier++) {
    struct producer_slot *slot = slot_of(producer, earlier);
    if (slot->state == SLOT_REOPENED) {
      *sequence = earlier;
      *number = slot->number;
      return true;
    }
  }
  uint64_t next = producer->next_sequence;
  if (next - producer->released_seen >= producer->mapping->geometry.slot_count) return false;
  if (slot_of(producer, next)->state != SLOT_IDLE) return false;
  if (producer->next_number > SASSL_RING_MAXIMUM_NUMBER) return false;
  *sequence = next;
  *number = producer->next_number;
  producer->next_sequence++;
  producer->next_number++;
  return true;
}

static void begin_wait(struct sassl_ring_producer *producer) {
  producer->waiters++;
  note_producing(producer);
}

static void end_wait(struct sassl_ring_producer *producer) {
  producer->waiters--;
  note_producing(producer);
}

static int not_serving(struct sassl_ring_error *error) {
  return fail(error, SASSL_RING_ERROR_STATE, 0, "this ring was finished, or is being made anew");
}

static int try_reserve(struct sassl_ring_producer *producer, struct sassl_ring_reservation *reservation,
                       struct sassl_ring_error *error) {
  if (producer->stage != STAGE_SERVING) return not_serving(error);
  int code = obey_seek(producer, error);
  if (code == SASSL_RING_OK) code = note_released(producer, error);
  if (code != SASSL_RING_OK) return code;
  uint64_t sequence, number;
  if (!choose_slot(producer, &sequence, &number)) return SASSL_RING_TIMEOUT;
  struct producer_slot *slot = slot_of(producer, sequence);
  slot->state = SLOT_RESERVED;
  slot->sequence = sequence;
  slot->number = number;
  slot->generation = producer->words.seek_acknowledged;
  reservation->sequence = sequence;
  reservation->number = number;
  reservation->generation = slot->generation;
  reservation->slot = (uint32_t)(sequence % producer->mapping->geometry.slot_count);
  reservation->reserved = 0;
  reservation->payload = mapping_payload(producer->mapping, sequence);
  note_producing(producer);
  STEP(producer, SASSL_RING_STEP_SLOT_CHOSEN);
  return SASSL_RING_OK;
}

/// Sleeps until the consumer, or another thread, has changed something. `mapping` cannot go meanwhile: a ring is made anew by the
/// thread that reserves.
static void await_change(struct sassl_ring_mapping *mapping, uint32_t signal, uint64_t limit_ns) {
  futex_wait(&mapping->header->released_signal, signal, limit_ns < WAIT_SLICE_NS ? limit_ns : WAIT_SLICE_NS);
}

int sassl_ring_producer_reserve(struct sassl_ring_producer *producer, uint64_t timeout_ns,
                                struct sassl_ring_reservation *reservation, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&producer->guard)) return forked(error);
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
    await_change(mapping, signal, timeout_ns - elapsed);
  }
}

/// The slot of a reservation that is still out, or NULL if it was given back already. Mutex held.
static struct producer_slot *outstanding(struct sassl_ring_producer *producer,
                                         const struct sassl_ring_reservation *reservation) {
  struct producer_slot *slot = slot_of(producer, reservation->sequence);
  bool out = slot->state == SLOT_RESERVED || slot->state == SLOT_VOID;
  bool same = slot->sequence == reservation->sequence && slot->number == reservation->number &&
              slot->generation == reservation->generation;
  return out && same ? slot : NULL;
}

int sassl_ring_producer_is_void(struct sassl_ring_producer *producer, const struct sassl_ring_reservation *reservation) {
  if (fork_guard_tripped(&producer->guard)) return 1;
  pthread_mutex_lock(&producer->mutex);
  // What is wrong with the request is for `reserve` to say.
  obey_seek(producer, NULL);
  struct producer_slot *slot = outstanding(producer, reservation);
  bool is_void = slot == NULL || slot->state == SLOT_VOID;
  pthread_mutex_unlock(&producer->mutex);
  return is_void;
}

static int retire(struct sassl_ring_producer *producer, struct producer_slot *slot) {
  slot->state = SLOT_IDLE;
  note_producing(producer);
  futex_raise(&producer->mapping->header->released_signal);
  return SASSL_RING_VOID;
}

static int not_outstanding(struct sassl_ring_error *error, const struct sassl_ring_reservation *reservation) {
  return fail(error, SASSL_RING_ERROR_STATE, 0, "batch %" PRIu64 " was published or given back already",
              reservation->number);
}

/// Publishes everything that is next in order. Mutex held.
static int publish_ready(struct sassl_ring_producer *producer) {
  struct sassl_ring_header *header = producer->mapping->header;
  struct producer_words *words = &producer->words;
  while (words->published < producer->next_sequence) {
    struct producer_slot *slot = slot_of(producer, words->published);
    if (slot->state != SLOT_WRITTEN) break;
    slot->state = SLOT_IDLE;
    STORE(mapping_slot(producer->mapping, words->published)->published_ns, monotonic_ns());
    words->published++;
    words->next_batch = slot->number + 1;
    STORE(header->next_batch, words->next_batch);
    // Release, pairs with the acquire load in take: slot entry and payload, by whichever thread of ours written, come first.
    STORE(header->published, words->published);
    STEP(producer, SASSL_RING_STEP_PUBLISHED);
  }
  repeat_words(producer);
  futex_raise(&header->published_signal);
  return SASSL_RING_OK;
}

static int publish_locked(struct sassl_ring_producer *producer, const struct sassl_ring_reservation *reservation,
                          struct sassl_ring_error *error) {
  struct producer_slot *slot = outstanding(producer, reservation);
  if (slot == NULL) return not_outstanding(error, reservation);
  int code = obey_seek(producer, error);
  if (code != SASSL_RING_OK) return code;
  if (slot->state == SLOT_VOID) return retire(producer, slot);
  slot->state = SLOT_WRITTEN;
  note_producing(producer);
  return publish_ready(producer);
}

int sassl_ring_producer_publish(struct sassl_ring_producer *producer, const struct sassl_ring_reservation *reservation,
                                const struct sassl_ring_batch *batch, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&producer->guard)) return forked(error);
  if (batch->count > producer->mapping->geometry.batch_size) {
    return fail(error, SASSL_RING_ERROR_ARGUMENT, 0, "%u samples do not fit a batch of %u", batch->count,
                producer->mapping->geometry.batch_size);
  }
  pthread_mutex_lock(&producer->mutex);
  struct producer_slot *mine = outstanding(producer, reservation);
  int code = mine == NULL ? not_outstanding(error, reservation) : SASSL_RING_OK;
  if (mine != NULL && mine->state == SLOT_VOID) code = retire(producer, mine);
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
  if (fork_guard_tripped(&producer->guard)) return forked(error);
  pthread_mutex_lock(&producer->mutex);
  struct producer_slot *slot = outstanding(producer, reservation);
  int code = SASSL_RING_OK;
  if (slot == NULL) {
    code = not_outstanding(error, reservation);
  } else if (slot->state == SLOT_VOID) {
    retire(producer, slot);
  } else {
    slot->state = SLOT_REOPENED;
    note_producing(producer);
    futex_raise(&producer->mapping->header->released_signal);
  }
  pthread_mutex_unlock(&producer->mutex);
  return code;
}

void sassl_ring_producer_heartbeat(struct sassl_ring_producer *producer) {
  if (fork_guard_tripped(&producer->guard)) return;
  pthread_mutex_lock(&producer->mutex);
  repeat_words(producer);
  pthread_mutex_unlock(&producer->mutex);
}

const struct sassl_ring_geometry *sassl_ring_producer_geometry(const struct sassl_ring_producer *producer) {
  return &producer->mapping->geometry;
}

const struct sassl_ring_field *sassl_ring_producer_fields(const struct sassl_ring_producer *producer) {
  return producer->mapping->fields;
}

uint64_t sassl_ring_producer_start(const struct sassl_ring_producer *producer) { return producer->start; }

int sassl_ring_producer_resumed(const struct sassl_ring_producer *producer) { return producer->resumed; }

void sassl_ring_producer_counters(struct sassl_ring_producer *producer, struct sassl_ring_counters *counters) {
  bool own = !fork_guard_tripped(&producer->guard);
  if (own) pthread_mutex_lock(&producer->mutex);  // in a forked child another thread may have held it for ever
  segment_counters(producer->mapping, producer->lock_descriptor, own ? &producer->words : NULL, false, counters);
  if (own) pthread_mutex_unlock(&producer->mutex);
}

// The end

void sassl_ring_producer_abandon(struct sassl_ring_producer *producer) {
  fork_guard_leave(&producer->guard);
  drop_lock(producer->lock_descriptor, SASSL_RING_PRODUCER_LOCK);
  sassl_ring_mapping_release(producer->mapping);
  free_producer(producer);
}

/// Says that nothing more will come. Mutex held.
static void say_closed(struct sassl_ring_producer *producer) {
  producer->words.state = SASSL_RING_CLOSED;
  STORE(producer->mapping->header->producer_state, SASSL_RING_CLOSED);
}

static int finish(struct sassl_ring_producer *producer) {
  if (producer->stage == STAGE_FINISHED) return SASSL_RING_OK;
  void_everything(producer);
  producer->stage = STAGE_FINISHED;
  say_closed(producer);
  STEP(producer, SASSL_RING_STEP_CLOSED);
  remove_own(producer->path, producer->lock_descriptor);
  futex_raise(&producer->mapping->header->published_signal);
  return SASSL_RING_OK;
}

int sassl_ring_producer_finish(struct sassl_ring_producer *producer) {
  if (fork_guard_tripped(&producer->guard)) return forked(NULL);
  pthread_mutex_lock(&producer->mutex);
  int code = finish(producer);
  pthread_mutex_unlock(&producer->mutex);
  return code;
}

int sassl_ring_producer_close(struct sassl_ring_producer *producer) {
  int code = fork_guard_tripped(&producer->guard) ? SASSL_RING_OK : sassl_ring_producer_finish(producer);
  // Only now goes the lock: as long as the file has its name, somebody answers for it.
  sassl_ring_producer_abandon(producer);
  return code;
}

// A new instance in the place of one that was scribbled over, or that has lost its name

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
  if (status.st_uid != geteuid()) return anothers(error, producer->path, status.st_uid);
  return fail(error, SASSL_RING_ERROR_BUSY, 0, "another file has taken the place of the ring %s: remove it", producer->path);
}

/// Gives the present instance up, as far as that can be done now. TIMEOUT while reservations are out. Mutex held.
static int begin_renewal(struct sassl_ring_producer *producer, struct sassl_ring_error *error) {
  if (producer->stage == STAGE_FINISHED) return not_serving(error);
  int code = find_obstacle(producer, error);
  if (code != SASSL_RING_OK) return code;
  producer->stage = STAGE_RENEWING;
  void_everything(producer);
  note_producing(producer);
  say_closed(producer);
  futex_raise(&producer->mapping->header->published_signal);
  return producer->words.producing == 0 ? SASSL_RING_OK : SASSL_RING_TIMEOUT;
}

int sassl_ring_producer_renew(struct sassl_ring_producer *producer, uint64_t timeout_ns, struct sassl_ring_error *error) {
  if (fork_guard_tripped(&producer->guard)) return forked(error);
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
    await_change(mapping, signal, timeout_ns - elapsed);
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
  producer->options.start_batch = producer->words.next_batch;
  code = create_segment(producer, &geometry, fields, &predecessor, &segment, error);
  if (code != SASSL_RING_OK) {
    discard(&segment);
    return code;
  }
  int former_lock = producer->lock_descriptor;
  pthread_mutex_lock(&producer->mutex);
  adopt(producer, &segment);
  pthread_mutex_unlock(&producer->mutex);
  drop_lock(former_lock, SASSL_RING_PRODUCER_LOCK);
  sassl_ring_mapping_release(former);
  return SASSL_RING_OK;
}

int sassl_ring_remove_dead(const char *directory, const char *name, uint32_t rank, struct sassl_ring_error *error) {
  char path[4096];
  int code = sassl_ring_path(directory, name, rank, path, sizeof path, error);
  int descriptor = -1;
  if (code == SASSL_RING_OK) code = claim_stale(path, &descriptor, error);
  if (code != SASSL_RING_OK) return code;
  if (descriptor < 0) return fail(error, SASSL_RING_ERROR_ABSENT, ENOENT, "there is no ring at %s", path);
  struct stat status;
  if (geteuid() != 0 && (fstat(descriptor, &status) != 0 || status.st_uid != geteuid())) {
    code = fail(error, SASSL_RING_ERROR_SYSTEM, EPERM, "%s belongs to another user", path);
  } else if (byte_is_locked(descriptor, SASSL_RING_CONSUMER_LOCK)) {
    code = fail(error, SASSL_RING_ERROR_BUSY, 0, "%s is still read by a process: stop that one first", path);
  } else if (unlink(path) != 0) {
    // The lock that we hold keeps successors of the dead producer away, so the name still is this file's.
    code = fail(error, SASSL_RING_ERROR_SYSTEM, errno, "cannot remove %s: %s", path, strerror(errno));
  }
  close(descriptor);
  return code;
}
