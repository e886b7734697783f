// The observer's side: looks at a ring without taking part.
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sassl_ring_observer {
  struct sassl_ring_mapping *mapping;
  int descriptor;
};

int sassl_ring_observer_open(const char *directory, const char *name, uint32_t rank, struct sassl_ring_observer **result,
                             struct sassl_ring_error *error) {
  *result = NULL;
  char path[4096];
  int code = sassl_ring_path(directory, name, rank, path, sizeof path, error);
  if (code != SASSL_RING_OK) return code;
  int descriptor = segment_open(path, O_RDONLY);
  if (descriptor < 0) {
    int cause = errno;
    if (cause == ENOENT) return fail(error, SASSL_RING_ERROR_ABSENT, cause, "there is no ring at %s", path);
    return segment_refused(path, cause, NO_OTHER_OWNER, error);
  }
  uid_t owner;
  code = segment_check_owner(descriptor, path, NO_OTHER_OWNER, &owner, error);
  if (code != SASSL_RING_OK) {
    close(descriptor);
    return code;
  }
  struct sassl_ring_geometry geometry;
  struct sassl_ring_field *fields;
  struct sassl_ring_mapping *mapping = NULL;
  code = segment_inspect(descriptor, path, &geometry, &fields, error);
  if (code == SASSL_RING_OK) code = segment_map(descriptor, path, &geometry, fields, MAP_FOR_OBSERVER, &mapping, error);
  struct sassl_ring_observer *observer = code == SASSL_RING_OK ? calloc(1, sizeof *observer) : NULL;
  if (observer == NULL) {
    if (mapping != NULL) sassl_ring_mapping_release(mapping);
    close(descriptor);
    return code != SASSL_RING_OK ? code : fail(error, SASSL_RING_ERROR_SYSTEM, ENOMEM, "out of memory");
  }
  observer->mapping = mapping;
  observer->descriptor = descriptor;
  *result = observer;
  return SASSL_RING_OK;
}

const struct sassl_ring_geometry *sassl_ring_observer_geometry(const struct sassl_ring_observer *observer) {
  return &observer->mapping->geometry;
}

const struct sassl_ring_field *sassl_ring_observer_fields(const struct sassl_ring_observer *observer) {
  return observer->mapping->fields;
}

void sassl_ring_observer_counters(struct sassl_ring_observer *observer, struct sassl_ring_counters *counters) {
  segment_counters(observer->mapping, observer->descriptor, NULL, false, counters);
}

/// Copies the payload of `sequence`. Not through the mapping: where its memory was given back, a look there would take it again, or
/// end the process where there is none left.
static int copy_payload(const struct sassl_ring_observer *observer, uint64_t sequence, unsigned char *payload,
                        struct sassl_ring_error *error) {
  const struct sassl_ring_geometry *geometry = &observer->mapping->geometry;
  uint64_t start = geometry->payload_offset + sequence % geometry->slot_count * geometry->slot_bytes;
  if (read_fully(observer->descriptor, payload, geometry->payload_bytes, start)) return SASSL_RING_OK;
  int cause = errno;
  if (cause == 0) return fail(error, SASSL_RING_ERROR_CORRUPT, 0, "the ring's file has been cut short");
  return fail(error, SASSL_RING_ERROR_SYSTEM, cause, "cannot read the ring: %s", strerror(cause));
}

int sassl_ring_observer_read(struct sassl_ring_observer *observer, uint64_t number, struct sassl_ring_slot *slot,
                             void *payload, struct sassl_ring_error *error) {
  const struct sassl_ring_mapping *mapping = observer->mapping;
  struct sassl_ring_header *header = mapping->header;
  uint64_t released = LOAD(header->released), published = LOAD(header->published);
  if (published < released || published - released > mapping->geometry.slot_count) {
    return fail(error, SASSL_RING_ERROR_CORRUPT, 0, "the ring's counters are impossible");
  }
  // Newest first: after a seek the ring may hold a number twice, and the older one is stale.
  for (uint64_t sequence = published; sequence-- > released;) {
    *slot = *mapping_slot(mapping, sequence);
    if (slot->number != number || slot->sequence != sequence) continue;
    int code = payload == NULL ? SASSL_RING_OK : copy_payload(observer, sequence, payload, error);
    if (code != SASSL_RING_OK) return code;
    // As in a sequence lock: what we copied is whole if, after copying, the slot was still not the producer's to write. The
    // fence keeps the copy above the load.
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (LOAD(header->released) > sequence) break;
    if (payload != NULL && sassl_ring_crc32c(0, payload, mapping->geometry.payload_bytes) != slot->checksum) {
      // Readers of a dead producer give the memory of its batches back.
      if (mapping_has_no_producer(mapping, observer->descriptor)) break;
      return fail(error, SASSL_RING_ERROR_CHECKSUM, 0, "batch %" PRIu64 " does not match its checksum", number);
    }
    return SASSL_RING_OK;
  }
  return fail(error, SASSL_RING_ERROR_ABSENT, 0, "batch %" PRIu64 " is not in the ring", number);
}

void sassl_ring_observer_close(struct sassl_ring_observer *observer) {
  close(observer->descriptor);
  sassl_ring_mapping_release(observer->mapping);
  free(observer);
}
