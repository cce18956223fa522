#include "json.h"
#include "litestash.h"
#include <stdlib.h>
#include <string.h>

static size_t skip_space(json whole, size_t at)
{
  while (at < whole.length && memchr(" \t\r\n", whole.text[at], 4) != NULL) {
    at++;
  }
  return at;
}

/* The place behind the string that begins at `at`; 0 if it does not end. */
static size_t skip_string(json whole, size_t at)
{
  for (at++; at < whole.length; at++) {
    if (whole.text[at] == '\\') {
      at++;
    } else if (whole.text[at] == '"') {
      return at + 1;
    }
  }
  return 0;
}

/* The place behind the value that begins at `at`; 0 if there is none or it does not end. */
static size_t skip_value(json whole, size_t at)
{
  size_t depth = 0, start = at;
  while (at < whole.length) {
    const char c = whole.text[at];
    if (c == '"') {
      at = skip_string(whole, at);
      if (at == 0 || depth == 0) {
        return at;
      }
      continue;
    }
    if (c == '{' || c == '[') {
      depth++;
    } else if (c == '}' || c == ']') {
      if (depth == 0) {
        break;
      }
      depth--;
      if (depth == 0) {
        return at + 1;
      }
    } else if (depth == 0 && memchr(", \t\r\n:", c, 6) != NULL) {
      break;
    }
    at++;
  }
  return depth == 0 && at > start ? at : 0;
}

static json part(json whole, size_t start, size_t end)
{
  json found;
  found.text = whole.text + start;
  found.length = end - start;
  return found;
}

static json none(void)
{
  json nothing;
  nothing.text = NULL;
  nothing.length = 0;
  return nothing;
}

/* Goes through `open` item, item, … `close`; an item of an object has a name before it. Returns whether it was that. */
static bool walk(json whole, char open, char close, json_member **items, size_t *count)
{
  size_t at = skip_space(whole, 0), room = 0, end;
  *items = NULL;
  *count = 0;
  if (at >= whole.length || whole.text[at] != open) {
    return false;
  }
  at = skip_space(whole, at + 1);
  if (at < whole.length && whole.text[at] == close) {
    return skip_space(whole, at + 1) == whole.length;
  }
  for (;;) {
    json_member item;
    item.name = none();
    item.taken = false;
    if (open == '{') {
      if (at >= whole.length || whole.text[at] != '"' || (end = skip_string(whole, at)) == 0) {
        return false;
      }
      item.name = part(whole, at, end);
      at = skip_space(whole, end);
      if (at >= whole.length || whole.text[at] != ':') {
        return false;
      }
      at = skip_space(whole, at + 1);
    }
    end = skip_value(whole, at);
    if (end == 0) {
      return false;
    }
    item.value = part(whole, at, end);
    if (*count == room) {
      json_member *larger;
      room = room == 0 ? 16 : 2 * room;
      larger = realloc(*items, room * sizeof item);
      if (larger == NULL) {
        return false;
      }
      *items = larger;
    }
    (*items)[(*count)++] = item;
    at = skip_space(whole, end);
    if (at >= whole.length) {
      return false;
    }
    if (whole.text[at] == close) {
      return skip_space(whole, at + 1) == whole.length;
    }
    if (whole.text[at] != ',') {
      return false;
    }
    at = skip_space(whole, at + 1);
  }
}

static bool same(json a, json b)
{
  return a.length == b.length && memcmp(a.text, b.text, a.length) == 0;
}

bool json_members(json object, json_member **members, size_t *count)
{
  bool good = walk(object, '{', '}', members, count);
  size_t i, j;
  for (i = 0; good && i < *count; i++) {
    for (j = 0; j < i; j++) {
      good = good && !same((*members)[i].name, (*members)[j].name);
    }
  }
  if (!good) {
    free(*members);
    *members = NULL;
    *count = 0;
  }
  return good;
}

bool json_elements(json array, json **elements, size_t *count)
{
  json_member *items;
  size_t index;
  bool good = walk(array, '[', ']', &items, count);
  *elements = good ? calloc(*count + 1, sizeof **elements) : NULL;
  good = *elements != NULL;
  for (index = 0; good && index < *count; index++) {
    (*elements)[index] = items[index].value;
  }
  free(items);
  return good;
}

json json_take(json_member *members, size_t count, const char *name)
{
  const size_t length = strlen(name);
  size_t index;
  for (index = 0; index < count; index++) {
    json found = members[index].name;
    if (found.length == length + 2 && memcmp(found.text + 1, name, length) == 0) {
      members[index].taken = true;
      return members[index].value;
    }
  }
  return none();
}

/* A reader of the value's encoding, which is in `encoded`. */
static bool open_value(json value, litestash_buffer *encoded, litestash_reader *reader)
{
  if (value.text == NULL || litestash_value_from_json(value.text, value.length, encoded) != LITESTASH_OK) {
    return false;
  }
  *reader = litestash_reader_of(encoded->data, encoded->length);
  return true;
}

char *json_text(json value, size_t *length)
{
  litestash_buffer encoded;
  litestash_reader reader;
  const char *text;
  char *copy = NULL;
  if (!open_value(value, &encoded, &reader)) {
    return NULL;
  }
  if (litestash_read_text(&reader, &text, length) == LITESTASH_OK && (copy = malloc(*length + 1)) != NULL) {
    memcpy(copy, text, *length);
    copy[*length] = 0;
  }
  litestash_buffer_free(&encoded);
  return copy;
}

bool json_integer(json value, int64_t *integer)
{
  litestash_buffer encoded;
  litestash_reader reader;
  bool good;
  if (!open_value(value, &encoded, &reader)) {
    return false;
  }
  good = litestash_read_integer(&reader, integer) == LITESTASH_OK;
  litestash_buffer_free(&encoded);
  return good;
}

bool json_float(json value, double *number)
{
  litestash_buffer encoded;
  litestash_reader reader;
  bool good;
  if (!open_value(value, &encoded, &reader)) {
    return false;
  }
  good = litestash_read_float(&reader, number) == LITESTASH_OK;
  litestash_buffer_free(&encoded);
  return good;
}

bool json_bool(json value, bool *flag)
{
  litestash_buffer encoded;
  litestash_reader reader;
  bool good;
  if (!open_value(value, &encoded, &reader)) {
    return false;
  }
  good = litestash_read_bool(&reader, flag) == LITESTASH_OK;
  litestash_buffer_free(&encoded);
  return good;
}
