/* Threads that use a stash, its iterators and builders while others close them: an error or an answer, nothing else. */
#include "check.h"
#include <pthread.h>

enum { THREADS = 4, ROUNDS = 30 };

struct shared {
  litestash_stash stash;
  litestash_iterator iterator;
  litestash_builder builder;
};

static void right_or_closed(litestash_status status)
{
  if (status != LITESTASH_OK && status != LITESTASH_CLOSED) {
    GIVES(LITESTASH_CLOSED, status);
  }
}

static void *use(void *context)
{
  struct shared *shared = (struct shared *)context;
  litestash_key key = litestash_key_string("shared");
  litestash_status status;
  do {
    uint8_t room[16];
    size_t length = 0;
    int64_t sum;
    status = litestash_get_into(shared->stash, key, room, sizeof room, &length);
    CHECK(status != LITESTASH_OK || length > 0);
    right_or_closed(status);
    right_or_closed(litestash_increment(shared->stash, litestash_key_string("sum"), 1, &sum));
  } while (status == LITESTASH_OK);
  return NULL;
}

/* One of them wins, the others hear that it is closed. */
static void *close_it(void *context)
{
  return litestash_close(((struct shared *)context)->stash) == LITESTASH_OK ? context : NULL;
}

static void closing_while_used(const char *directory)
{
  int round, index;
  for (round = 0; round < ROUNDS; round++) {
    struct shared shared;
    pthread_t users[THREADS], closers[2];
    void *won, *also;
    memset(&shared, 0, sizeof shared);
    WORKS(litestash_open(directory, NULL, &shared.stash));
    set(shared.stash, "shared", "\"value\"");
    for (index = 0; index < THREADS; index++) {
      CHECK(pthread_create(&users[index], NULL, use, &shared) == 0);
    }
    for (index = 0; index < 2; index++) {
      CHECK(pthread_create(&closers[index], NULL, close_it, &shared) == 0);
    }
    CHECK(pthread_join(closers[0], &won) == 0 && pthread_join(closers[1], &also) == 0);
    CHECK((won == NULL) != (also == NULL));
    for (index = 0; index < THREADS; index++) {
      CHECK(pthread_join(users[index], NULL) == 0);
    }
    GIVES(LITESTASH_CLOSED, litestash_check(shared.stash));
  }
}

static bool is_expected(litestash_status status)
{
  return status == LITESTASH_OK || status == LITESTASH_BUSY || status == LITESTASH_CLOSED ||
         status == LITESTASH_INVALID_ARGUMENT;
}

/* Against the rules, and still no crash. */
static void *meddle(void *context)
{
  struct shared *shared = (struct shared *)context;
  int step;
  for (step = 0; step < 200; step++) {
    litestash_item item;
    litestash_buffer value = {NULL, 0};
    CHECK(is_expected(litestash_next(shared->iterator, &item)));
    CHECK(is_expected(litestash_build_integer(shared->builder, step)));
    CHECK(is_expected(litestash_builder_finish(shared->builder, &value)));
    litestash_buffer_free(&value);
  }
  CHECK(is_expected(litestash_iterator_free(shared->iterator)));
  CHECK(is_expected(litestash_builder_free(shared->builder)));
  return NULL;
}

static void sharing_what_is_not_to_be_shared(litestash_stash stash)
{
  int round, index;
  for (round = 0; round < ROUNDS; round++) {
    struct shared shared;
    pthread_t threads[THREADS];
    shared.stash = stash;
    WORKS(litestash_items(stash, NULL, &shared.iterator));
    WORKS(litestash_builder_new(&shared.builder));
    for (index = 0; index < THREADS; index++) {
      CHECK(pthread_create(&threads[index], NULL, meddle, &shared) == 0);
    }
    for (index = 0; index < THREADS; index++) {
      CHECK(pthread_join(threads[index], NULL) == 0);
    }
    GIVES(LITESTASH_CLOSED, litestash_iterator_free(shared.iterator));
  }
}

/* Many handles at once, and all of them given back by one close. */
static void many_handles(litestash_stash stash)
{
  enum { MANY = 2000 };
  static litestash_stash others[MANY];
  litestash_stash one_more;
  int index, round;
  for (round = 0; round < 3; round++) {
    WORKS(litestash_open_memory(NULL, &stash));
    for (index = 0; index < MANY; index++) {
      WORKS(litestash_with_durability(stash, LITESTASH_DURABILITY_FULL, &others[index]));
    }
    WORKS(litestash_release(others[5]));
    WORKS(litestash_close(others[MANY - 1]));
    GIVES(LITESTASH_CLOSED, litestash_check(stash));
    GIVES(LITESTASH_CLOSED, litestash_check(others[0]));
  }
  WORKS(litestash_open_memory(NULL, &stash));
  for (index = 0;; index++) {
    litestash_status status = litestash_with_durability(stash, LITESTASH_DURABILITY_FULL, &one_more);
    if (status != LITESTASH_OK) {
      GIVES(LITESTASH_OUT_OF_MEMORY, status);
      break;
    }
  }
  CHECK(index > MANY);
  WORKS(litestash_close(stash));
}

static void *fail(void *context)
{
  GIVES(LITESTASH_CLOSED, litestash_check(*(litestash_stash *)context));
  CHECK(litestash_error_status() == LITESTASH_CLOSED);
  return NULL;
}

static void errors_belong_to_their_thread(litestash_stash closed)
{
  litestash_stash none = {7};
  pthread_t thread;
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_check(none));
  CHECK(pthread_create(&thread, NULL, fail, &closed) == 0 && pthread_join(thread, NULL) == 0);
  CHECK(litestash_error_status() == LITESTASH_INVALID_ARGUMENT);
}

int main(int argc, char **argv)
{
  litestash_stash stash;
  int index;
  CHECK(argc == 2);
  closing_while_used(argv[1]);
  WORKS(litestash_open_memory(NULL, &stash));
  for (index = 0; index < 100; index++) {
    char name[32];
    snprintf(name, sizeof name, "row:%d", index);
    set(stash, name, "\"value\"");
  }
  sharing_what_is_not_to_be_shared(stash);
  WORKS(litestash_close(stash));
  many_handles(stash);
  errors_belong_to_their_thread(stash);
  return 0;
}
