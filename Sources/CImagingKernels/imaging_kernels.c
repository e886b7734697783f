#include "imaging_kernels.h"

/* Products and sums are rounded one by one on every processor, so that the bytes do not depend on it. */
#pragma STDC FP_CONTRACT OFF

/* One source, compiled for three generations of processors; the loader picks the best. */
#if defined(__x86_64__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

static inline __attribute__((always_inline)) int32_t clamp_byte(int32_t value) {
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/* ---- Resampling ---- */

void imaging_resample_row_portable(
    const uint8_t *source, uint8_t *target, size_t width, const struct imaging_axis *axis) {
  const int32_t half = 1 << (axis->precision - 1);
  const int16_t *weights = axis->weights;
  for (size_t x = 0; x < width; x++) {
    const uint8_t *pixel = source + 3 * (size_t)axis->starts[x];
    int32_t red = half, green = half, blue = half;
    for (int32_t tap = 0; tap < axis->taps; tap++) {
      red += weights[tap] * pixel[0];
      green += weights[tap] * pixel[1];
      blue += weights[tap] * pixel[2];
      pixel += 3;
    }
    target[0] = (uint8_t)clamp_byte(red >> axis->precision);
    target[1] = (uint8_t)clamp_byte(green >> axis->precision);
    target[2] = (uint8_t)clamp_byte(blue >> axis->precision);
    target += 3;
    weights += axis->taps;
  }
}

#if defined(__x86_64__)
#include <immintrin.h>

/* Four taps at a time: 12 bytes become pairs of neighbouring pixels per channel, so that one multiply-add instruction does both pixels
 * of the pair, and the two pairs of the four share one 256-bit register. */
__attribute__((target("avx2"))) static void resample_row_avx2(
    const uint8_t *source, uint8_t *target, size_t width, const struct imaging_axis *axis) {
  const __m128i pairs = _mm_setr_epi8(0, 3, 1, 4, 2, 5, -1, -1, 6, 9, 7, 10, 8, 11, -1, -1);
  const __m256i spread = _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1);
  const __m128i gather = _mm_setr_epi8(0, 1, 2, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m128i half = _mm_set1_epi32(1 << (axis->precision - 1));
  const __m128i shift = _mm_cvtsi32_si128(axis->precision);
  const int16_t *weights = axis->weights;
  for (size_t x = 0; x < width; x++) {
    const uint8_t *pixel = source + 3 * (size_t)axis->starts[x];
    __m256i sum = _mm256_setzero_si256();
    for (int32_t tap = 0; tap < axis->taps; tap += 4) {
      const __m128i bytes = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(pixel + 3 * tap)), pairs);
      const __m128i four = _mm_loadl_epi64((const __m128i *)(weights + tap));
      const __m256i factor = _mm256_permutevar8x32_epi32(_mm256_castsi128_si256(four), spread);
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_cvtepu8_epi16(bytes), factor));
    }
    __m128i pixels = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    pixels = _mm_sra_epi32(_mm_add_epi32(pixels, half), shift);
    pixels = _mm_packus_epi16(_mm_packs_epi32(pixels, pixels), pixels);
    const uint32_t rgb = (uint32_t)_mm_cvtsi128_si32(_mm_shuffle_epi8(pixels, gather));
    target[0] = (uint8_t)rgb;
    target[1] = (uint8_t)(rgb >> 8);
    target[2] = (uint8_t)(rgb >> 16);
    target += 3;
    weights += axis->taps;
  }
}
#endif

void imaging_resample_row(const uint8_t *source, uint8_t *target, size_t width, const struct imaging_axis *axis) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    resample_row_avx2(source, target, width, axis);
    return;
  }
#endif
  imaging_resample_row_portable(source, target, width, axis);
}

FOR_EACH_PROCESSOR
void imaging_resample_column(
    const uint8_t *source, size_t stride, uint8_t *target, size_t bytes, size_t index,
    const struct imaging_axis *axis) {
  enum { block = 64 };
  const int16_t *weights = axis->weights + index * (size_t)axis->taps;
  const uint8_t *first = source + (size_t)axis->starts[index] * stride;
  const int32_t precision = axis->precision;
  const int32_t half = 1 << (precision - 1);
  const int32_t taps = axis->taps;
  size_t x = 0;
  for (; x + block <= bytes; x += block) {
    int32_t sums[block];
    for (int lane = 0; lane < block; lane++) sums[lane] = half;
    for (int32_t tap = 0; tap < taps; tap++) {
      const uint8_t *row = first + (size_t)tap * stride + x;
      const int16_t weight = weights[tap];
      for (int lane = 0; lane < block; lane++) sums[lane] += (int16_t)row[lane] * weight;
    }
    for (int lane = 0; lane < block; lane++) target[x + lane] = (uint8_t)clamp_byte(sums[lane] >> precision);
  }
  for (; x < bytes; x++) {
    int32_t sum = half;
    for (int32_t tap = 0; tap < taps; tap++) sum += first[(size_t)tap * stride + x] * weights[tap];
    target[x] = (uint8_t)clamp_byte(sum >> precision);
  }
}

/* ---- Colour ---- */

void imaging_apply_table(uint8_t *bytes, size_t count, const uint8_t table[256]) {
  for (size_t index = 0; index < count; index++) bytes[index] = table[bytes[index]];
}

/* .2989 red + .587 green + .114 blue, without the fraction. */
static inline __attribute__((always_inline)) int32_t gray(int32_t red, int32_t green, int32_t blue) {
  return (int32_t)((float)red * 0.2989f + (float)green * 0.587f + (float)blue * 0.114f);
}

FOR_EACH_PROCESSOR
uint64_t imaging_gray_sum(const uint8_t *pixels, size_t count) {
  uint64_t sum = 0;
  while (count > 0) {
    /* A 32-bit partial sum keeps the lanes narrow; it holds 2^24 gray values. */
    const size_t part = count < 65536 ? count : 65536;
    uint32_t partial = 0;
    for (size_t index = 0; index < part; index++) {
      partial += (uint32_t)gray(pixels[3 * index], pixels[3 * index + 1], pixels[3 * index + 2]);
    }
    sum += partial;
    pixels += 3 * part;
    count -= part;
  }
  return sum;
}

FOR_EACH_PROCESSOR
void imaging_grayscale(uint8_t *pixels, size_t count) {
  for (size_t index = 0; index < count; index++) {
    const uint8_t value = (uint8_t)gray(pixels[3 * index], pixels[3 * index + 1], pixels[3 * index + 2]);
    pixels[3 * index] = value;
    pixels[3 * index + 1] = value;
    pixels[3 * index + 2] = value;
  }
}

static inline __attribute__((always_inline)) uint8_t mixed(uint8_t value, float ratio, float addend) {
  const float sum = (float)value * ratio + addend;
  const float floor = sum < 0.0f ? 0.0f : sum;
  return (uint8_t)(int32_t)(floor > 255.0f ? 255.0f : floor);
}

FOR_EACH_PROCESSOR
void imaging_saturate(uint8_t *pixels, size_t count, float ratio, float rest) {
  for (size_t index = 0; index < count; index++) {
    const uint8_t red = pixels[3 * index], green = pixels[3 * index + 1], blue = pixels[3 * index + 2];
    const float addend = (float)gray(red, green, blue) * rest;
    pixels[3 * index] = mixed(red, ratio, addend);
    pixels[3 * index + 1] = mixed(green, ratio, addend);
    pixels[3 * index + 2] = mixed(blue, ratio, addend);
  }
}

/* The channel with the given offset on the colour circle of six sectors: full value, minus the chroma where the hue is far away. */
static inline __attribute__((always_inline)) uint8_t channel_at(float sector, float offset, float value, float chroma) {
  float place = sector + offset;
  place = place >= 6.0f ? place - 6.0f : place;
  const float falling = 4.0f - place;
  float distance = place < falling ? place : falling;
  distance = distance < 0.0f ? 0.0f : distance;
  distance = distance > 1.0f ? 1.0f : distance;
  return (uint8_t)(int32_t)((value - chroma * distance) * (255.999f / 255.0f));
}

FOR_EACH_PROCESSOR
void imaging_turn_hue(uint8_t *pixels, size_t count, float shift) {
  const float turn = shift * 6.0f;
  for (size_t index = 0; index < count; index++) {
    const int32_t red = pixels[3 * index], green = pixels[3 * index + 1], blue = pixels[3 * index + 2];
    const int32_t larger = red > green ? red : green, smaller = red < green ? red : green;
    const int32_t most = larger > blue ? larger : blue, least = smaller < blue ? smaller : blue;
    const int32_t range = most - least;
    const float scale = 1.0f / (float)(range > 0 ? range : 1);
    /* Red, green and blue sit at 0, 2 and 4 of the six sectors. */
    const int32_t difference = most == red ? green - blue : most == green ? blue - red : red - green;
    const float base = most == red ? 0.0f : most == green ? 2.0f : 4.0f;
    float sector = base + (float)difference * scale + turn;
    sector = sector < 0.0f ? sector + 6.0f : sector;
    sector = sector >= 6.0f ? sector - 6.0f : sector;
    const float value = (float)most, chroma = (float)range;
    pixels[3 * index] = channel_at(sector, 5.0f, value, chroma);
    pixels[3 * index + 1] = channel_at(sector, 3.0f, value, chroma);
    pixels[3 * index + 2] = channel_at(sector, 1.0f, value, chroma);
  }
}

/* ---- Blur ---- */

FOR_EACH_PROCESSOR
void imaging_blur_row(
    const uint8_t *padded, int16_t *target, size_t count, const int16_t *weights, size_t radius) {
  enum { block = 64 };
  const uint8_t *centre = padded + 3 * radius;
  const int32_t half = 1 << 7;
  for (size_t start = 0; start < count; start += block) {
    /* The last block steps back over finished bytes where it can, so that all blocks are whole. */
    const size_t x = start + block <= count || count < block ? start : count - block;
    const size_t lanes = count < block ? count : block;
    int32_t sums[block];
    for (size_t lane = 0; lane < lanes; lane++) sums[lane] = half + centre[x + lane] * (int32_t)weights[0];
    for (size_t k = 1; k <= radius; k++) {
      const uint8_t *left = centre + x - 3 * k, *right = centre + x + 3 * k;
      const int16_t weight = weights[k];
      if (lanes == block) {
        for (int lane = 0; lane < block; lane++) sums[lane] += (int16_t)(left[lane] + right[lane]) * weight;
      } else {
        for (size_t lane = 0; lane < lanes; lane++) sums[lane] += (int16_t)(left[lane] + right[lane]) * weight;
      }
    }
    for (size_t lane = 0; lane < lanes; lane++) target[x + lane] = (int16_t)(sums[lane] >> 8);
  }
}

FOR_EACH_PROCESSOR
void imaging_blur_column(
    const int16_t *const *rows, uint8_t *target, size_t count, const int16_t *weights, size_t radius) {
  enum { block = 64 };
  const int32_t half = 1 << 21;
  for (size_t start = 0; start < count; start += block) {
    const size_t x = start + block <= count || count < block ? start : count - block;
    const size_t lanes = count < block ? count : block;
    int32_t sums[block];
    for (size_t lane = 0; lane < lanes; lane++) sums[lane] = half + rows[radius][x + lane] * (int32_t)weights[0];
    for (size_t k = 1; k <= radius; k++) {
      const int16_t *above = rows[radius - k] + x, *below = rows[radius + k] + x;
      const int16_t weight = weights[k];
      if (lanes == block) {
        for (int lane = 0; lane < block; lane++) sums[lane] += above[lane] * weight + below[lane] * weight;
      } else {
        for (size_t lane = 0; lane < lanes; lane++) sums[lane] += above[lane] * weight + below[lane] * weight;
      }
    }
    for (size_t lane = 0; lane < lanes; lane++) target[x + lane] = (uint8_t)clamp_byte(sums[lane] >> 22);
  }
}
