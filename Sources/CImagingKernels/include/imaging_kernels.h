/* The inner loops of Imaging: resampling, colour and blur on packed 8-bit RGB.
 *
 * Every function gives the same bytes on every processor: the arithmetic is whole numbers, or single floats that are rounded after
 * every operation. Run-time dispatch therefore only changes the speed. None allocates, none reads or writes outside what its comment
 * names. A "row" is width pixels of three bytes without gaps. */
#ifndef IMAGING_KERNELS_H
#define IMAGING_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* How one axis is resampled: output i is the sum over t < taps of input[starts[i] + t] * weights[i * taps + t], divided by 2^precision,
 * rounded and clamped to 0...255. All windows lie inside the input. */
struct imaging_axis {
  const int32_t *starts;
  const int16_t *weights;
  int32_t taps; /* a multiple of 4 for imaging_resample_rows; padded with zero weights */
  int32_t precision;
};

/* Resamples four rows to `width` pixels each; the same row may be given more than once. Reads 3 * (starts[i] + taps) + 4 bytes of
 * each source at most, that is up to 4 bytes past the last window; what is there does not matter. */
void imaging_resample_rows(
    const uint8_t *const sources[4], uint8_t *const targets[4], size_t width, const struct imaging_axis *axis);

/* The same in plain C, the reference that the vector version is tested against. */
void imaging_resample_rows_portable(
    const uint8_t *const sources[4], uint8_t *const targets[4], size_t width, const struct imaging_axis *axis);

/* One output row of the vertical axis: row `index` from the source rows that its window names, `stride` bytes apart. */
void imaging_resample_column(
    const uint8_t *source, size_t stride, uint8_t *target, size_t bytes, size_t index, const struct imaging_axis *axis);

/* Replaces every byte by its entry in the table. */
void imaging_apply_table(uint8_t *bytes, size_t count, const uint8_t table[256]);

/* The same in plain C. */
void imaging_apply_table_portable(uint8_t *bytes, size_t count, const uint8_t table[256]);

/* The sum of the gray values of the pixels. */
uint64_t imaging_gray_sum(const uint8_t *pixels, size_t count);

/* Replaces every pixel by its gray value. */
void imaging_grayscale(uint8_t *pixels, size_t count);

/* Mixes every pixel with its gray value: ratio of the pixel, rest of the gray. The caller rounds both from the exact numbers: 1 - ratio
 * in single floats is off by enough to move whole units where the sum is cut. */
void imaging_saturate(uint8_t *pixels, size_t count, float ratio, float rest);

/* Turns the hue by `shift` of a full turn, -0.5...0.5. */
void imaging_turn_hue(uint8_t *pixels, size_t count, float shift);

/* Horizontal half of a blur: target[i] = sum over |k| <= radius of weights[|k|] * padded[i + 3 * (radius + k)], as 7 fractional bits.
 * `padded` holds count + 6 * radius bytes; weights are 15-bit fractions whose two-sided sum is 2^15. */
void imaging_blur_row(
    const uint8_t *padded, int16_t *target, size_t count, const int16_t *weights, size_t radius);

/* Vertical half: rows[radius + k] are 2 * radius + 1 rows of what imaging_blur_row made. */
void imaging_blur_column(
    const int16_t *const *rows, uint8_t *target, size_t count, const int16_t *weights, size_t radius);

/* The same in plain C. */
void imaging_blur_row_portable(
    const uint8_t *padded, int16_t *target, size_t count, const int16_t *weights, size_t radius);
void imaging_blur_column_portable(
    const int16_t *const *rows, uint8_t *target, size_t count, const int16_t *weights, size_t radius);

#endif
