/// Reading TOML from C and Swift: a thin layer over toml++, whose exceptions end here.
///
/// A document is handed out as a list of nodes in the order of a walk through the tree that visits parents first. The
/// first node is the root table; a table's or array's `child_count` children follow it, each with all of its own
/// descendants.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What a node is.
typedef enum sassl_toml_kind {
  SASSL_TOML_TABLE,
  SASSL_TOML_ARRAY,
  SASSL_TOML_STRING,
  SASSL_TOML_INTEGER,
  SASSL_TOML_FLOAT,
  SASSL_TOML_BOOLEAN,
  SASSL_TOML_DATE_TIME,
} sassl_toml_kind;

/// One value of a document.
typedef struct sassl_toml_node {
  sassl_toml_kind kind;
  /// The key that names the value in its table, of `key_bytes` bytes of UTF-8; NULL in arrays and for the root.
  const char *key;
  size_t key_bytes;
  /// Where the key is (where there is none: the value), from 1; 0 for the root.
  uint32_t line;
  uint32_t column;
  /// Of tables and arrays.
  size_t child_count;
  /// Of strings, `string_bytes` bytes of UTF-8, which may include NUL.
  const char *string;
  size_t string_bytes;
  /// Of integers, and of booleans as 0 or 1.
  int64_t integer;
  /// Of floats.
  double number;
} sassl_toml_node;

/// A document that was read, or the reason why it was not.
typedef struct sassl_toml_document sassl_toml_document;

/// Reads a document of `bytes` bytes. Returns NULL only where memory is exhausted; free the result with
/// `sassl_toml_free`.
sassl_toml_document *sassl_toml_parse(const char *text, size_t bytes);

/// Why the document could not be read, or NULL where it was; `line` and `column` receive the place, from 1.
const char *sassl_toml_error(const sassl_toml_document *document, uint32_t *line, uint32_t *column);

/// The nodes of the document and their number; NULL and 0 where it could not be read. They live as long as it does.
const sassl_toml_node *sassl_toml_nodes(const sassl_toml_document *document, size_t *count);

/// Frees a document; NULL is allowed.
void sassl_toml_free(sassl_toml_document *document);

#ifdef __cplusplus
}
#endif
