#include "sassl_ring.h"
