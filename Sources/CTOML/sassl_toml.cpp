#include "sassl_toml.h"

#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// toml++ asserts what some input makes untrue, a no-break space in a table's header for one. A configuration that is wrong must not
// abort the program, and with NDEBUG the same assertions would be assumptions; so they become exceptions.
struct unexpected_input {};
#undef NDEBUG
#define TOML_ASSERT(expression) ((expression) ? static_cast<void>(0) : throw unexpected_input{})
#include <toml++/toml.h>

struct sassl_toml_document {
  // Owns the strings that the nodes point to.
  toml::table root;
  std::vector<sassl_toml_node> nodes;
  bool failed = false;
  std::string error;
  uint32_t line = 0;
  uint32_t column = 0;

  void fail(std::string_view reason, toml::source_position place) {
    failed = true;
    error = reason;
    line = place.line;
    column = place.column;
    nodes.clear();
  }
};

namespace {

// Nested deeper than any configuration, and shallow enough for every stack.
constexpr unsigned maximum_depth = 64;

struct too_deep {
  toml::source_position place;
};

// Where the first character is that TOML allows nowhere, not even in comments; nothing where there is none.
std::optional<toml::source_position> forbidden_character(std::string_view text) {
  toml::source_position place{1, 1};
  for (const char character : text) {
    const auto code = static_cast<unsigned char>(character);
    const bool allowed = code >= 0x20 ? code != 0x7F : code == '\t' || code == '\n' || code == '\r';
    if (!allowed) {
      return place;
    }
    place.column++;
    if (code == '\n') {
      place = {place.line + 1, 1};
    }
  }
  return std::nullopt;
}

void append(sassl_toml_document &document, const toml::node &value, const toml::key *key, unsigned depth) {
  const toml::source_position place = key != nullptr ? key->source().begin : value.source().begin;
  if (depth > maximum_depth) {
    throw too_deep{place};
  }
  sassl_toml_node node{};
  node.line = place.line;
  node.column = place.column;
  if (key != nullptr) {
    node.key = key->data();
    node.key_bytes = key->length();
  }
  switch (value.type()) {
    case toml::node_type::table:
      node.kind = SASSL_TOML_TABLE;
      node.child_count = value.as_table()->size();
      document.nodes.push_back(node);
      for (const auto &[child_key, child] : *value.as_table()) {
        append(document, child, &child_key, depth + 1);
      }
      return;
    case toml::node_type::array:
      node.kind = SASSL_TOML_ARRAY;
      node.child_count = value.as_array()->size();
      document.nodes.push_back(node);
      for (const toml::node &child : *value.as_array()) {
        append(document, child, nullptr, depth + 1);
      }
      return;
    case toml::node_type::string: {
      const std::string &string = value.as_string()->get();
      node.kind = SASSL_TOML_STRING;
      node.string = string.data();
      node.string_bytes = string.size();
      break;
    }
    case toml::node_type::integer:
      node.kind = SASSL_TOML_INTEGER;
      node.integer = value.as_integer()->get();
      break;
    case toml::node_type::floating_point:
      node.kind = SASSL_TOML_FLOAT;
      node.number = value.as_floating_point()->get();
      break;
    case toml::node_type::boolean:
      node.kind = SASSL_TOML_BOOLEAN;
      node.integer = value.as_boolean()->get() ? 1 : 0;
      break;
    default: node.kind = SASSL_TOML_DATE_TIME; break;
  }
  document.nodes.push_back(node);
}

}  // namespace

sassl_toml_document *sassl_toml_parse(const char *text, size_t bytes) {
  std::unique_ptr<sassl_toml_document> document{new (std::nothrow) sassl_toml_document};
  if (document == nullptr) {
    return nullptr;
  }
  try {
    if (const auto place = forbidden_character({text, bytes})) {
      document->fail("a control character is in the text", *place);
      return document.release();
    }
    document->root = toml::parse(std::string_view{text, bytes});
    append(*document, document->root, nullptr, 0);
  } catch (const toml::parse_error &error) {
    document->fail(error.description(), error.source().begin);
  } catch (const unexpected_input &) {
    document->fail("an invisible character stands where only names and values may stand", {});
  } catch (const too_deep &error) {
    document->fail("tables are nested too deep", error.place);
  } catch (const std::exception &) {
    // Out of memory: too late to say so in a string of one's own.
    return nullptr;
  }
  return document.release();
}

const char *sassl_toml_error(const sassl_toml_document *document, uint32_t *line, uint32_t *column) {
  if (!document->failed) {
    return nullptr;
  }
  *line = document->line;
  *column = document->column;
  return document->error.c_str();
}

const sassl_toml_node *sassl_toml_nodes(const sassl_toml_document *document, size_t *count) {
  *count = document->nodes.size();
  return document->nodes.data();
}

void sassl_toml_free(sassl_toml_document *document) {
  delete document;
}
