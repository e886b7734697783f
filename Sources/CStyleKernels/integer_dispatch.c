// Which integer kernels this process uses.
#include <string.h>

#include "integer_kernels.h"

extern const style_integer_kernels style_integer_kernels_portable;
#if defined(__x86_64__)
extern const style_integer_kernels style_integer_kernels_avx2, style_integer_kernels_avx512,
    style_integer_kernels_avx512vnni;
#endif

const style_integer_kernels *style_integer_kernels_named(const char *name) {
  if (strcmp(name, "portable") == 0) return &style_integer_kernels_portable;
#if defined(__x86_64__)
  if (strcmp(name, "avx2") == 0) return style_kernels_for(STYLE_PATH_AVX2) != NULL ? &style_integer_kernels_avx2 : NULL;
  if (style_kernels_for(STYLE_PATH_AVX512) == NULL) return NULL;
  if (strcmp(name, "avx512") == 0) return &style_integer_kernels_avx512;
  if (strcmp(name, "avx512vnni") == 0)
    return __builtin_cpu_supports("avx512vnni") ? &style_integer_kernels_avx512vnni : NULL;
#endif
  return NULL;
}

const style_integer_kernels *style_integer_kernels_selected(void) {
  const style_kernels *const selected = style_kernels_selected();
  if (selected->path == STYLE_PATH_AVX512) {
    const style_integer_kernels *const fastest = style_integer_kernels_named("avx512vnni");
    if (fastest != NULL) return fastest;
  }
  return style_integer_kernels_named(selected->name);
}

size_t style_convolution_scratch(size_t channels, size_t outputs) {
  return STYLE_TILE_POINTS * STYLE_CHUNK_OF_TILES * (sizeof(int32_t) * outputs + sizeof(int16_t) * channels);
}
