// The integer kernels for the compiler's baseline: vectors of 4 numbers.
#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#define DOT(s, a, b) ((ivec)_mm_add_epi32((__m128i)(s), _mm_madd_epi16((__m128i)(a), (__m128i)(b))))
#else
typedef int32_t four __attribute__((ext_vector_type(4)));
typedef int16_t eight __attribute__((ext_vector_type(8)));
static inline four dot(four sums, eight a, eight b) {
  const eight even_a = a, even_b = b;
  return sums +
         __builtin_convertvector(even_a.even, four) * __builtin_convertvector(even_b.even, four) +
         __builtin_convertvector(even_a.odd, four) * __builtin_convertvector(even_b.odd, four);
}
#define DOT(s, a, b) ((ivec)dot((four)(s), (eight)(a), (eight)(b)))
#endif
#define VL 4
#define WIDE 16
#define ROWS_BY_2 4
#define ROWS_BY_3 3
#define TABLE style_integer_kernels_portable
#define NAME "portable"
#include "integer_kernels.inc"
