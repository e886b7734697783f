// Convolutions of 3x3 in whole numbers, for style networks that work on patches.
//
// Every number that these kernels write is the same on every processor: products and their sums are exact, and what is left
// in floating point is a fixed order of single operations for each channel, channels side by side in a vector. So, unlike those
// of style_kernels.h, they need no path in the identity of a stream. Each exists once in source (integer_kernels.inc) and
// four times in the library: with the dot products of AVX-512 VNNI, for AVX-512, for AVX2, and portably.
//
// Words used below.
//   level      what a number is stored as: round(number / step), at most STYLE_LEVELS from 0.
//   levels     `[rows + 2][columns + 2][channels]` int16, where rows and columns are the height and width of the picture rounded up to
//              multiples of 4: the picture with a border of one mirrored pixel, and zeros beyond.
//   sums       `[rows][columns][channels]` float, the same without a border; what lies beyond the picture is unspecified.
//   feature    `[height][width][channels]` float.
// Channels are a multiple of 16, pictures at least 2 wide and high. Addresses are aligned to what their numbers need; to 64 bytes
// is faster. Pointers that are written overlap no others. Preconditions are asserted (NDEBUG removes the checks).
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "style_kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/// The largest level. A tile's transform adds up to 100 of them, which must fit into 16 bits.
#define STYLE_LEVELS 327

/// Points of a Winograd tile of F(4x4, 3x3).
#define STYLE_TILE_POINTS 36

/// Tiles that are computed together: what they need then stays in the second-level cache.
#define STYLE_CHUNK_OF_TILES 24

/// The absolute weights of one output channel at one point add up to at most this much: with transformed levels of up to
/// 100 * STYLE_LEVELS their sum then fits into 32 bits.
#define STYLE_WEIGHT_SUM 65500

/// What a convolution says of each of its output channels, over the pixels of the picture. Arrays of `outputs`.
typedef struct {
  double *sum;
  double *sum_of_squares;
  float *least;
  float *greatest;
} style_statistics;

/// The kernels of one path.
typedef struct STYLE_SHARED {
  /// "avx512vnni", "avx512", "avx2" or "portable".
  const char *name;

  /// 3x3 convolution of levels, as Winograd F(4x4, 3x3) with the points 0, ±1, ±2 and ∞.
  ///
  /// - weights: `[STYLE_TILE_POINTS][channels / 2][outputs][2]`: G g Gᵀ of each kernel in whole numbers, two input channels next to each
  ///   other, where G = [[1/4, 0, 0], [-1/6, -1/6, -1/6], [-1/6, 1/6, -1/6], [1/24, 1/12, 1/6], [1/24, -1/12, 1/6], [0, 0, 1/4]].
  /// - sums: in units of a level times a weight.
  /// - scratch: `style_convolution_scratch(channels, outputs)` bytes.
  void (*convolve)(
      const int16_t *levels, size_t width, size_t height, size_t channels, const int16_t *weights, size_t outputs,
      float *sums, const style_statistics *statistics, void *scratch);

  /// `round(max(low, scale[c] * sum + shift[c]))` as levels, which must not be larger than STYLE_LEVELS.
  void (*quantise)(
      const float *sums, size_t width, size_t height, size_t channels, const float *scale, const float *shift,
      float low, int16_t *levels);

  /// `feature = max(0, scale[c] * sum + shift[c])`, and `round(feature * per_step)` as levels.
  void (*begin_feature)(
      const float *sums, size_t width, size_t height, size_t channels, const float *scale, const float *shift,
      float per_step, float *feature, int16_t *levels);

  /// `feature += scale[c] * sum + shift[c]`, and `round(feature * per_step)` as levels. Returns the largest absolute
  /// number in the feature.
  float (*add_to_feature)(
      const float *sums, size_t width, size_t height, size_t channels, const float *scale, const float *shift,
      float per_step, float *feature, int16_t *levels);

  /// `[4 height][4 width][3]` bytes as levels of patches: pixel (4 row + i, 4 column + j), colour k is channel (4 i + j) * 3 + k.
  void (*pixels_to_patches)(const uint8_t *pixels, size_t width, size_t height, int16_t *levels);

  /// `1 / (1 + exp(-(scale[c] * sum + shift[c])))` of patches of 48 channels as `[4 height][4 width][3]`, within 2e-7 of the true
  /// value.
  void (*patches_to_pixels)(
      const float *sums, size_t width, size_t height, const float *scale, const float *shift, float *output);

  /// `output[i] = bias[i] + sum over d of input[d] * matrix[d * count + i]`, in the order of d; `count` is a multiple of 16.
  void (*affine_map)(
      const float *input, size_t depth, const float *matrix, const float *bias, size_t count, float *output);
} style_integer_kernels;

/// Bytes of scratch memory that a convolution needs.
size_t style_convolution_scratch(size_t channels, size_t outputs);

/// The kernels with this name ("avx512vnni", "avx512", "avx2", "portable"), or NULL when this CPU cannot run them.
const style_integer_kernels *style_integer_kernels_named(const char *name);

/// The kernels that this process uses: the fastest of the path that `style_kernels_selected` chose.
const style_integer_kernels *style_integer_kernels_selected(void);

#ifdef __cplusplus
}
#endif
