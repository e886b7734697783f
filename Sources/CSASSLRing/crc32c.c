// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), the checksum of iSCSI and ext4.
#include "sassl_ring.h"

#include <pthread.h>
#include <string.h>

#define POLYNOMIAL 0x82F63B78u

static uint32_t byte_table[256];
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)
#include <nmmintrin.h>

// The crc32 instruction takes three cycles but starts every cycle, so three streams of LANE bytes run side by side.
// Joining them needs "this CRC followed by LANE zero bytes", which is linear and so one table lookup per byte.
#define LANE 4096
static uint32_t lane_shift[4][256];

static uint32_t shifted(uint32_t crc) {
  return lane_shift[0][crc & 255] ^ lane_shift[1][(crc >> 8) & 255] ^ lane_shift[2][(crc >> 16) & 255] ^
         lane_shift[3][crc >> 24];
}
#endif

static void make_tables(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (POLYNOMIAL & (0u - (crc & 1)));
    byte_table[byte] = crc;
  }
#if defined(__x86_64__)
  uint32_t basis[32];
  for (int bit = 0; bit < 32; bit++) {
    uint32_t crc = 1u << bit;
    for (int zero = 0; zero < LANE; zero++) crc = (crc >> 8) ^ byte_table[crc & 255];
    basis[bit] = crc;
  }
  for (int part = 0; part < 4; part++) {
    for (uint32_t byte = 0; byte < 256; byte++) {
      uint32_t crc = 0;
      for (int bit = 0; bit < 8; bit++) {
        if (byte >> bit & 1) crc ^= basis[8 * part + bit];
      }
      lane_shift[part][byte] = crc;
    }
  }
#endif
}

uint32_t sassl_ring_crc32c_portable(uint32_t seed, const void *bytes, size_t count) {
  pthread_once(&tables_once, make_tables);
  const unsigned char *cursor = bytes;
  uint32_t crc = ~seed;
  while (count-- > 0) crc = (crc >> 8) ^ byte_table[(crc ^ *cursor++) & 255];
  return ~crc;
}

#if defined(__x86_64__)
static uint64_t word_at(const unsigned char *cursor) {
  uint64_t word;
  memcpy(&word, cursor, sizeof word);
  return word;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t seed, const unsigned char *cursor,
                                                               size_t count) {
  uint64_t crc = (uint32_t)~seed;
  while (count >= 3 * LANE) {
    uint64_t second = 0, third = 0;
    for (size_t index = 0; index < LANE; index += 8) {
      crc = _mm_crc32_u64(crc, word_at(cursor + index));
      second = _mm_crc32_u64(second, word_at(cursor + LANE + index));
      third = _mm_crc32_u64(third, word_at(cursor + 2 * LANE + index));
    }
    crc = shifted(shifted((uint32_t)crc) ^ (uint32_t)second) ^ (uint32_t)third;
    cursor += 3 * LANE;
    count -= 3 * LANE;
  }
  for (; count >= 8; cursor += 8, count -= 8) crc = _mm_crc32_u64(crc, word_at(cursor));
  uint32_t tail = (uint32_t)crc;
  while (count-- > 0) tail = _mm_crc32_u8(tail, *cursor++);
  return ~tail;
}
#endif

uint32_t sassl_ring_crc32c(uint32_t seed, const void *bytes, size_t count) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) {
    pthread_once(&tables_once, make_tables);
    return crc32c_sse42(seed, bytes, count);
  }
#endif
  return sassl_ring_crc32c_portable(seed, bytes, count);
}
