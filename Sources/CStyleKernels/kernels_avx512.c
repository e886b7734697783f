// The kernels for AVX-512: 32 registers of 16 floats.
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "style_kernels.h"

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,f16c"))), apply_to = function)
#define VL 16
#define LANES(F) \
  F(0), F(1), F(2), F(3), F(4), F(5), F(6), F(7), F(8), F(9), F(10), F(11), F(12), F(13), F(14), F(15)
#define GEMM_REGISTERS 32
#define HAS_FMA 1
#define TABLE style_kernels_avx512
#define PATH STYLE_PATH_AVX512
#define NAME "avx512"
#include "kernels.inc"
#pragma clang attribute pop
#endif
