/* The parts of the runner. */
#ifndef RUNNER_H
#define RUNNER_H

#include "json.h"
#include "litestash.h"

/* Ends the program: it cannot go on (1), or was started in a wrong way (2). */
void stop(int code, const char *what);

/* Performs an operation and prints its result. */
void operation(litestash_stash stash, json object);

/* Answers the cases of a vector file; false if it is none. */
bool vectors(json file);

/* Prints an encoded value as JSON. */
void print_value(const uint8_t *data, size_t length);

/* Prints a key as JSON. */
void print_key(litestash_key key);

/* Prints `{"error":NAME}`. */
void print_error(litestash_status status);

#endif
