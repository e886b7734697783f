/* The style model and the default style bank, compiled into the program: it runs with no file beside it.
 *
 * Both are safetensors files as docs/model-format.md describes them. */
#ifndef EMBEDDED_MODEL_H
#define EMBEDDED_MODEL_H

#include <stddef.h>

/* Bytes that live as long as the program. */
struct embedded_bytes {
  const unsigned char *start;
  size_t count;
};

/* The model file. */
struct embedded_bytes embedded_model(void);

/* The style bank. Its embeddings belong to the embedded model. */
struct embedded_bytes embedded_styles(void);

#endif
