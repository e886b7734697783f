// A new segment: memory reserved, header written, and its name given to it when it is complete.
#define _GNU_SOURCE
#include "producer.h"

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

static int fail_no_space(struct sassl_ring_error *error, const char *directory, int descriptor, uint64_t needed, int cause) {
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

/// Whether there is less room than that. Asked before anything is reserved: an attempt that fails takes all that there is for a moment,
/// and others who write there meanwhile would find none.
static bool lacks_room(int descriptor, uint64_t bytes) {
  struct statvfs file_system;
  // A tmpfs without a limit has no blocks.
  return fstatvfs(descriptor, &file_system) == 0 && file_system.f_blocks != 0 &&
         (uint64_t)file_system.f_bavail * file_system.f_frsize < bytes;
}

/// Reserves every byte now, so that no write to the mapping can fail later. Where memory lacks, a dead predecessor's is given
/// back first; a reader that still holds it has until `space_timeout_ns` from now.
static int reserve_bytes(const struct sassl_ring_producer_options *options, const char *directory, int descriptor,
                         uint64_t bytes, const struct predecessor *predecessor, struct sassl_ring_error *error) {
  uint64_t start = monotonic_ns();
  bool emptied = predecessor->mapping == NULL;
  for (;;) {
    int cause = lacks_room(descriptor, bytes) ? ENOSPC : posix_fallocate(descriptor, 0, (off_t)bytes);
    if (cause == 0) return SASSL_RING_OK;
    if (cause == EINTR) continue;
    if (cause != ENOSPC && cause != EFBIG && cause != ENOMEM && cause != EDQUOT) {
      return fail(error, SASSL_RING_ERROR_SYSTEM, cause, "cannot reserve %" PRIu64 " bytes in %s: %s", bytes, directory,
                  strerror(cause));
    }
    bool is_read = !emptied && byte_is_locked(predecessor->descriptor, SASSL_RING_CONSUMER_LOCK);
    if (emptied || (is_read && monotonic_ns() - start >= options->space_timeout_ns)) {
      return fail_no_space(error, directory, descriptor, bytes, cause);
    }
    // A reader may give its predecessor's memory back at any moment and stay attached, so while it reads only time decides.
    emptied = !is_read;
    predecessor_free_memory(predecessor);
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
  header->cpu_path = geometry->cpu_path;
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
#define TEMPORARY_INFIX ".next"

/// Removes what predecessors that died in `name_segment` left. The lock of the ring's file, which we hold, is also that of its
/// temporary names; files of others are theirs.
static void remove_temporaries(const char *path) {
  const char *name = strrchr(path, '/') + 1;
  char directory[4096], prefix[SASSL_RING_NAME_BYTES + 64];
  snprintf(directory, sizeof directory, "%.*s", (int)(name - path), path);
  int length = snprintf(prefix, sizeof prefix, "%s" TEMPORARY_INFIX, name);
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
  remove_temporaries(path);
  // Nobody can take a name that nobody can guess.
  uint64_t end;
  if (getrandom(&end, sizeof end, 0) != (ssize_t)sizeof end) {
    return fail(error, SASSL_RING_ERROR_SYSTEM, errno, "no random numbers: %s", strerror(errno));
  }
  char temporary[sizeof producer->path + 32];
  snprintf(temporary, sizeof temporary, "%s" TEMPORARY_INFIX "-%016" PRIx64, path, end);
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

/// The rest of `segment_create`, with the file open.
static int fill_segment(struct sassl_ring_producer *producer, int descriptor, struct sassl_ring_geometry *geometry,
                        struct sassl_ring_field *fields, const struct predecessor *predecessor, struct segment *segment,
                        struct sassl_ring_error *error) {
  const struct sassl_ring_producer_options *options = &producer->options;
  const char *path = producer->path;
  int result = reserve_bytes(options, producer->directory, descriptor, geometry->file_bytes, predecessor, error);
  if (result == SASSL_RING_OK && DIES_AT(producer, SASSL_RING_STEP_SEGMENT_RESERVED)) result = SASSL_RING_ABANDONED;
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
  bool found = predecessor_find_position(predecessor, geometry, &number);
  segment->resumed = found && options->resume;
  segment->start = segment->resumed ? number : options->start_batch;
  header->next_batch = segment->start;
  header->reader_next = segment->start;
  STEP(producer, SASSL_RING_STEP_SEGMENT_WRITTEN);
  return name_segment(producer, self, predecessor, error);
}

int segment_create(struct sassl_ring_producer *producer, struct sassl_ring_geometry *geometry,
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

void segment_discard(struct segment *segment) {
  drop_lock(segment->lock_descriptor, SASSL_RING_PRODUCER_LOCK);
  if (segment->mapping != NULL) sassl_ring_mapping_release(segment->mapping);
}
