#include "style_kernels.h"
