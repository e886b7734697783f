// Moves a batch aside, to private memory at the same address: a trainer goes on reading it while its slot is filled anew.
#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

int mapping_move_aside(struct sassl_ring_mapping *mapping, uint64_t sequence, const char *path,
                       struct sassl_ring_error *error) {
  size_t bytes = mapping->geometry.slot_bytes;
  unsigned char *slot = mapping_payload(mapping, sequence);
  void *copy = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (copy == MAP_FAILED) {
    int cause = errno;
    return fail(error, SASSL_RING_ERROR_SYSTEM, cause,
                "no memory for a batch of %s that is still referred to (%zu bytes): %s. Let go of its arrays", path, bytes,
                strerror(cause));
  }
  memcpy(copy, slot, bytes);
  // In one step for whoever reads there at this moment: the kernel exchanges the pages, and their bytes are equal.
  if (mprotect(copy, bytes, PROT_READ) != 0 || mremap(copy, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, slot) == MAP_FAILED) {
    int cause = errno;
    munmap(copy, bytes);
    return fail(error, SASSL_RING_ERROR_SYSTEM, cause,
                "cannot move a batch of %s aside that is still referred to: %s. Let go of its arrays", path, strerror(cause));
  }
  return SASSL_RING_OK;
}
