/* What the tests have in common. */
#ifndef CHECK_H
#define CHECK_H

#include "litestash.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                            \
  do {                                                                                              \
    if (!(condition)) {                                                                             \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                       \
      exit(1);                                                                                      \
    }                                                                                               \
  } while (0)

/* That a call answers with that status. */
#define GIVES(status, call) check_status((status), (call), #call, __FILE__, __LINE__)

#define WORKS(call) GIVES(LITESTASH_OK, call)

static inline void check_status(litestash_status expected, litestash_status got, const char *call,
                                const char *file, int line)
{
  if (got == expected) {
    return;
  }
  fprintf(stderr, "%s:%d: %s\n  gave %s (%s), not %s\n", file, line, call, litestash_status_name(got),
          litestash_error_message(), litestash_status_name(expected));
  exit(1);
}

/* The encoding of a JSON text. */
static inline litestash_buffer encoded(const char *json)
{
  litestash_buffer value = {NULL, 0};
  WORKS(litestash_value_from_json(json, strlen(json), &value));
  return value;
}

/* Whether a buffer holds the value of that JSON text; the buffer is given back. */
static inline bool holds(litestash_buffer *value, const char *json)
{
  litestash_buffer text = {NULL, 0};
  bool equal;
  if (value->data == NULL) {
    return json == NULL;
  }
  WORKS(litestash_value_to_json(value->data, value->length, &text));
  equal = json != NULL && strcmp((const char *)text.data, json) == 0;
  if (!equal) {
    fprintf(stderr, "holds %s, not %s\n", (const char *)text.data, json == NULL ? "nothing" : json);
  }
  litestash_buffer_free(&text);
  litestash_buffer_free(value);
  return equal;
}

static inline void set(litestash_stash stash, const char *key, const char *json)
{
  litestash_buffer value = encoded(json);
  WORKS(litestash_set(stash, litestash_key_string(key), value.data, value.length, NULL, NULL));
  litestash_buffer_free(&value);
}

/* Whether a key holds the value of that JSON text; NULL: nothing. */
static inline bool has(litestash_stash stash, const char *key, const char *json)
{
  litestash_buffer value;
  WORKS(litestash_get(stash, litestash_key_string(key), &value));
  return holds(&value, json);
}

#endif
