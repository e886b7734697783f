// A reader in plain C, as small as they get: attaches, reads N batches, prints number, epoch, step, label sum and checksum.
//
//     cc -I ../ring/include consumer.c ../ring/*.c -o consumer && ./consumer DIRECTORY NAME N
#include "sassl_ring.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complain(const struct sassl_ring_error *error) {
  fprintf(stderr, "%s\n", error->message);
  return 1;
}

int main(int count, char **arguments) {
  if (count != 4) return 64;
  struct sassl_ring_consumer_options options = {
      .directory = arguments[1],
      .name = arguments[2],
      .verify = 1,
      .start = SASSL_RING_CONTINUE,
      .attach_timeout_ns = UINT64_C(30000000000),
      .absence_timeout_ns = UINT64_C(30000000000),
  };
  struct sassl_ring_consumer *consumer;
  struct sassl_ring_error error;
  if (sassl_ring_consumer_attach(&options, &consumer, &error) != SASSL_RING_OK) return complain(&error);
  for (long remaining = strtol(arguments[3], NULL, 10); remaining > 0; remaining--) {
    struct sassl_ring_lease batch;
    if (sassl_ring_consumer_next(consumer, SASSL_RING_FOREVER, &batch, &error) != SASSL_RING_OK) return complain(&error);
    const struct sassl_ring_geometry *geometry = sassl_ring_mapping_geometry(batch.mapping);
    const struct sassl_ring_field *fields = sassl_ring_mapping_fields(batch.mapping);
    int64_t sum = 0;
    for (uint32_t index = 0; index < geometry->field_count; index++) {
      if (strcmp(fields[index].name, "sample_ids") != 0) continue;
      const int64_t *values = (const int64_t *)((const char *)batch.payload + fields[index].offset);
      for (uint32_t sample = 0; sample < batch.count; sample++) sum += values[sample];
    }
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 "\n", batch.number, batch.epoch, batch.step, sum);
    if (sassl_ring_consumer_release(consumer, batch.identifier, &error) != SASSL_RING_OK) return complain(&error);
  }
  return sassl_ring_consumer_close(consumer);
}
