/* JSON taken apart without looking into it: what a text holds is for the library to judge. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A JSON text inside a larger one, without white space around it. `text` NULL: there is none. */
typedef struct {
  const char *text;
  size_t length;
} json;

/* A member of an object. */
typedef struct {
  json name, value;
  bool taken;
} json_member;

/* The members of an object in memory to be freed; false if it is none, or a name is there twice. */
bool json_members(json object, json_member **members, size_t *count);

/* The elements of an array in memory to be freed; false if it is none. */
bool json_elements(json array, json **elements, size_t *count);

/* The member of that name, which counts as taken from now on. */
json json_take(json_member *members, size_t count, const char *name);

/* Text, with a zero byte behind it, in memory to be freed; NULL if it is none. */
char *json_text(json value, size_t *length);

/* Integers, floats, booleans; false if it is none. */
bool json_integer(json value, int64_t *integer);
bool json_float(json value, double *number);
bool json_bool(json value, bool *flag);

#endif
