// What a dead producer left under the same name: taken over, asked where its reader stands, given back to the system.
#define _GNU_SOURCE
#include "producer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_busy(struct sassl_ring_error *error, const char *path, int descriptor) {
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

int fail_other_owner(struct sassl_ring_error *error, const char *path, uid_t owner) {
  char name[USER_NAME_BYTES];
  sassl_ring_user_name(owner, name, sizeof name);
  return fail(error, SASSL_RING_ERROR_OWNER, 0,
              "%.255s belongs to user %s and not to this one (%u): a stream of that user has the same name. Choose another "
              "stream.name, or have that user's sassld stopped and the file removed",
              path, name, geteuid());
}

static int fail_refused(struct sassl_ring_error *error, const char *path) {
  int cause = errno;
  struct stat status;
  if (cause == EACCES && lstat(path, &status) == 0 && status.st_uid != geteuid()) {
    return fail_other_owner(error, path, status.st_uid);
  }
  return segment_refused(path, cause, NO_OTHER_OWNER, error);
}

int predecessor_claim(const char *path, int *stale, struct sassl_ring_error *error) {
  *stale = -1;
  for (int attempt = 0; attempt < 100; attempt++) {
    int descriptor = segment_open(path, O_RDWR);
    if (descriptor < 0) {
      if (errno == ENOENT) return SASSL_RING_OK;
      return fail_refused(error, path);
    }
    struct stat status;
    bool is_known = fstat(descriptor, &status) == 0;
    if (is_known && status.st_uid != geteuid()) {
      close(descriptor);
      return fail_other_owner(error, path, status.st_uid);
    }
    if (!is_known || !S_ISREG(status.st_mode)) {
      close(descriptor);
      return fail(error, SASSL_RING_ERROR_CORRUPT, 0, "%s is in the way and not a regular file: remove it", path);
    }
    if (!lock_byte(descriptor, SASSL_RING_PRODUCER_LOCK)) {
      int result = fail_busy(error, path, descriptor);
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

void predecessor_close(struct predecessor *predecessor, const char *path) {
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

bool predecessor_find_position(const struct predecessor *predecessor, const struct sassl_ring_geometry *wanted,
                               uint64_t *number) {
  if (predecessor->mapping == NULL) return false;
  const struct sassl_ring_geometry *geometry = &predecessor->mapping->geometry;
  struct sassl_ring_header *header = predecessor->mapping->header;
  STORE(header->producer_state, SASSL_RING_SUPERSEDED);
  // Pairs with the fence in consumer_commit: a reader that moves on after we have looked sees SUPERSEDED, and
  // comes to tell us.
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

void predecessor_free_memory(const struct predecessor *predecessor) {
  if (predecessor->mapping == NULL) return;
  // Pairs with the fence in lock_candidate: a reader that attaches now either sees that this instance is closed, or we see its
  // lock.
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  if (byte_is_locked(predecessor->descriptor, SASSL_RING_CONSUMER_LOCK)) return;
  const struct sassl_ring_geometry *geometry = &predecessor->mapping->geometry;
  fallocate(predecessor->descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)geometry->payload_offset,
            (off_t)(geometry->file_bytes - geometry->payload_offset));
}

int sassl_ring_remove_dead(const char *directory, const char *name, uint32_t rank, struct sassl_ring_error *error) {
  char path[4096];
  int code = sassl_ring_path(directory, name, rank, path, sizeof path, error);
  int descriptor = -1;
  if (code == SASSL_RING_OK) code = predecessor_claim(path, &descriptor, error);
  if (code != SASSL_RING_OK) return code;
  if (descriptor < 0) return fail(error, SASSL_RING_ERROR_ABSENT, ENOENT, "there is no ring at %s", path);
  if (byte_is_locked(descriptor, SASSL_RING_CONSUMER_LOCK)) {
    code = fail(error, SASSL_RING_ERROR_BUSY, 0, "%s is still read by a process: stop that one first", path);
  } else if (unlink(path) != 0) {
    // The lock that we hold keeps successors of the dead producer away, so the name still is this file's.
    code = fail(error, SASSL_RING_ERROR_SYSTEM, errno, "cannot remove %s: %s", path, strerror(errno));
  }
  close(descriptor);
  return code;
}
