// Grammars of JSON texts: any object, or what a schema allows.
//
// Texts are written tightly: white space stands inside of objects and arrays where printers put it,
// one space or a line break with up to 20 spaces, so that none goes on for ever; numbers have at
// most 15 digits and exponents of two; nesting is at most 32 deep. Properties come in the order of
// the schema.
//
// Of JSON Schema: type (a name or a list), properties, required, additionalProperties (true or
// false: others than the named ones are never written), items, minItems, maxItems, maxLength, enum,
// const, anyOf, $ref to $defs or definitions of the root (not recursive), true; annotations such as
// title and description have no effect. docs/serving.md has the list.
#pragma once

#include <memory>
#include <string>

#include "engine/byte_grammar.h"

namespace ixc {

std::shared_ptr<const ByteGrammar> JsonObjectGrammar();

// Throws ixc::Error that names what is wrong or not supported.
std::shared_ptr<const ByteGrammar> JsonSchemaGrammar(const std::string& schema);

}  // namespace ixc
