// The kernels for AVX2 with FMA: 16 registers of 8 floats.
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "style_kernels.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define VL 8
#define LANES(F) F(0), F(1), F(2), F(3), F(4), F(5), F(6), F(7)
#define GEMM_REGISTERS 16
#define HAS_FMA 1
#define TABLE style_kernels_avx2
#define PATH STYLE_PATH_AVX2
#define NAME "avx2"
#include "kernels.inc"
#pragma clang attribute pop
#endif
