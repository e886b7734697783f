#include "sassl_toml.h"
