// The layout of a segment: which byte of the file belongs to what.
#define _GNU_SOURCE
#include "producer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t round_up(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

int producer_lay_out(const struct sassl_ring_producer_options *options, struct sassl_ring_geometry *geometry,
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
  geometry->cpu_path = options->cpu_path;
  return SASSL_RING_OK;
}

uint64_t sassl_ring_segment_bytes(const struct sassl_ring_producer_options *options, struct sassl_ring_error *error) {
  struct sassl_ring_geometry geometry;
  struct sassl_ring_field *fields = calloc(options->field_count + 1, sizeof *fields);
  if (fields == NULL) return fail(error, SASSL_RING_ERROR_SYSTEM, ENOMEM, "out of memory"), 0;
  int result = producer_lay_out(options, &geometry, fields, error);
  free(fields);
  return result == SASSL_RING_OK ? geometry.file_bytes : 0;
}
