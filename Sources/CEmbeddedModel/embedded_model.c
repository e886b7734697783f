/* Data only. Where it comes from: both files are made by this project (Research/distillation), the model by
 * train_transformer.py, train_predictor.py and export_model.py from random weights, the bank by make_style_bank.py from
 * procedural textures and statistics. Each file names its provenance and licence (Apache-2.0) in its metadata;
 * docs/model-card.md tells the whole story. */
#include "embedded_model.h"

/* #embed is standard C since C23; the package is compiled as C17, where clang knows it all the same. */
#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char model[] = {
#embed "model.safetensors"
};

static const unsigned char styles[] = {
#embed "styles.safetensors"
};

struct embedded_bytes embedded_model(void) { return (struct embedded_bytes){model, sizeof model}; }

struct embedded_bytes embedded_styles(void) { return (struct embedded_bytes){styles, sizeof styles}; }
