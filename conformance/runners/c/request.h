/* The parts of the operations. */
#ifndef REQUEST_H
#define REQUEST_H

#include "runner.h"

#define BAD LITESTASH_INVALID_ARGUMENT

/* Gives up with the first status that is none of success. */
#define TRY(call)                       \
  do {                                  \
    litestash_status tried = (call);    \
    if (tried != LITESTASH_OK) {        \
      return tried;                     \
    }                                   \
  } while (0)

/* An operation's object. */
typedef struct {
  json_member *members;
  size_t count;
  char *name;
} request;

/* Takes the object of an operation apart; close_request in any case. */
litestash_status open_request(json object, request *opened);
void close_request(request *opened);

/* The member of that name. */
json take(request *from, const char *name);

/* Refuses members that nobody took. */
litestash_status finish(const request *opened);

/* An operation on one key. */
typedef struct {
  litestash_op op;
  litestash_buffer key, value, expected;
  bool answers_flag, answers_deadline;
} single;

/* Reads the arguments of an operation on one key; free_single in any case. */
litestash_status take_single(request *from, single *one);
void free_single(single *one);

/* Performs an operation on one key and prints its result. */
litestash_status run_single(litestash_stash stash, request *from);

/* Prints what one operation of several answered. */
void print_answer(const single *one, const litestash_answer *answer);

void print_flag(bool flag);
void print_found(const litestash_buffer *value);

#endif
