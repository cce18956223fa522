/* Deadlines that slide, limits, buckets, transactions, events, leases: every function does what the header says. */
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t now_us = 1700000000000000;

static int64_t clock_of_test(void *context)
{
  return *(int64_t *)context;
}

static litestash_options with_clock(void)
{
  litestash_options options = litestash_options_default();
  options.clock = clock_of_test;
  options.clock_context = &now_us;
  return options;
}

/* The number of that name in a report, which is given back. */
static uint64_t figure(litestash_buffer *report, const char *name)
{
  litestash_reader reader = litestash_reader_of(report->data, report->length), member;
  uint64_t number;
  WORKS(litestash_read_member(&reader, name, strlen(name), &member));
  WORKS(litestash_read_unsigned(&member, &number));
  litestash_buffer_free(report);
  return number;
}

static void put(litestash_stash stash, const char *key, litestash_deadline deadline)
{
  litestash_buffer value = encoded("1");
  litestash_set_options options = litestash_set_options_default();
  options.deadline = deadline;
  WORKS(litestash_set(stash, litestash_key_string(key), value.data, value.length, &options, NULL));
  litestash_buffer_free(&value);
}

static int64_t left(litestash_stash stash, const char *key)
{
  litestash_lifetime lifetime;
  WORKS(litestash_ttl(stash, litestash_key_string(key), &lifetime));
  return lifetime.has_deadline ? lifetime.us : lifetime.present ? 0 : -1;
}

static void deadlines(void)
{
  litestash_options options = with_clock();
  litestash_stash stash;
  litestash_entry entry;
  litestash_buffer report;
  uint64_t removed;
  bool flag;

  options.default_ttl_us = 500;
  WORKS(litestash_open_memory(&options, &stash));
  set(stash, "by default", "1");
  put(stash, "idle", litestash_deadline_idle(1000));
  put(stash, "never", litestash_deadline_never());
  put(stash, "soon", litestash_deadline_in(100));
  CHECK(left(stash, "by default") == 500 && left(stash, "never") == 0 && left(stash, "idle") == 1000);
  WORKS(litestash_get_entry(stash, litestash_key_string("idle"), &entry));
  CHECK(entry.idle_us == 1000 && entry.has_deadline && entry.expires_at == now_us + 1000);
  litestash_buffer_free(&entry.value);

  now_us += 400;
  WORKS(litestash_touch(stash, litestash_key_string("idle"), &flag));
  CHECK(flag && left(stash, "idle") == 1000);
  WORKS(litestash_touch(stash, litestash_key_string("none"), &flag));
  CHECK(!flag);
  WORKS(litestash_touch(stash, litestash_key_string("never"), NULL));
  WORKS(litestash_sweep(stash, &report));
  CHECK(figure(&report, "rows") == 1);
  WORKS(litestash_sweep(stash, NULL));
  WORKS(litestash_expiry_stats(stash, &report));
  CHECK(figure(&report, "swept_rows") == 1);

  WORKS(litestash_expire_older_than(stash, 1000, NULL, 0, &removed));
  CHECK(removed == 0);
  WORKS(litestash_expire_older_than(stash, 399, "n", 1, &removed));
  CHECK(removed == 1 && left(stash, "never") == -1);
  WORKS(litestash_expire_older_than(stash, 399, NULL, 0, NULL));
  CHECK(left(stash, "idle") == -1);
  WORKS(litestash_close(stash));
}

static void limits(void)
{
  litestash_options options = with_clock();
  litestash_stash stash;
  litestash_buffer value = encoded("1");
  uint64_t rows;
  int index;

  options.rows_max = 10;
  WORKS(litestash_open_memory(&options, &stash));
  for (index = 0; index < 10; index++) {
    WORKS(litestash_set(stash, litestash_key_integer(index), value.data, value.length, NULL, NULL));
  }
  GIVES(LITESTASH_LIMIT_REACHED,
        litestash_set(stash, litestash_key_integer(10), value.data, value.length, NULL, NULL));
  WORKS(litestash_set(stash, litestash_key_integer(9), value.data, value.length, NULL, NULL));
  WORKS(litestash_close(stash));

  options.eviction = LITESTASH_EVICTION_LEAST_RECENTLY_USED;
  WORKS(litestash_open_memory(&options, &stash));
  for (index = 0; index < 30; index++) {
    WORKS(litestash_set(stash, litestash_key_integer(index), value.data, value.length, NULL, NULL));
  }
  WORKS(litestash_length(stash, &rows));
  CHECK(rows <= 10 && rows > 0);
  WORKS(litestash_close(stash));
  options.bytes_max = 1;
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_open_memory(&options, &stash));
  litestash_buffer_free(&value);
}

static void buckets(const char *directory)
{
  litestash_options options = with_clock();
  litestash_bucket_options own = litestash_bucket_options_default();
  litestash_stash stash, one, again, other, inner;
  litestash_buffer names, report;
  bool flag;

  WORKS(litestash_open(directory, &options, &stash));
  own.default_ttl = litestash_deadline_in(70);
  own.rows_max = 2;
  own.has_durability = 1;
  own.durability = LITESTASH_DURABILITY_FULL;
  WORKS(litestash_bucket(stash, "one", 3, &own, &one));
  WORKS(litestash_bucket(stash, "one", 3, NULL, &again));
  WORKS(litestash_bucket(stash, "\xc3\xa9", 2, NULL, &other));
  WORKS(litestash_is_bucket(one, &flag));
  CHECK(flag);
  WORKS(litestash_is_bucket(stash, &flag));
  CHECK(!flag);
  own.rows_max = 3;
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_bucket(stash, "one", 3, &own, &inner));
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_bucket(one, "two", 3, NULL, &inner));
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_bucket(stash, "", 0, NULL, &inner));

  set(stash, "key", "0");
  set(one, "key", "1");
  set(other, "key", "2");
  CHECK(has(stash, "key", "0") && has(again, "key", "1") && has(other, "key", "2"));
  CHECK(left(again, "key") == 70 && left(other, "key") == 0);
  WORKS(litestash_buckets(stash, &names));
  CHECK(holds(&names, "[\"one\",\"\xc3\xa9\"]"));
  WORKS(litestash_stats(one, &report));
  CHECK(figure(&report, "rows") == 1);

  WORKS(litestash_release(again));
  WORKS(litestash_drop_bucket(stash, "one", 3, &flag));
  CHECK(flag && has(one, "key", NULL));
  WORKS(litestash_drop_bucket(stash, "one", 3, &flag));
  CHECK(!flag);
  set(one, "key", "3");
  CHECK(has(one, "key", "3"));
  WORKS(litestash_close(other));
  GIVES(LITESTASH_CLOSED, litestash_check(other));
  CHECK(has(stash, "key", "0"));
  WORKS(litestash_close(stash));
  GIVES(LITESTASH_CLOSED, litestash_check(one));
}

static void transactions(void)
{
  litestash_stash stash;
  litestash_op operations[3];
  litestash_answer answers[3];
  litestash_verdict verdict;
  litestash_buffer hundred = encoded("100");
  int index;

  WORKS(litestash_open_memory(NULL, &stash));
  set(stash, "ada", "100");
  memset(operations, 0, sizeof operations);
  operations[0].key = operations[1].key = litestash_key_string("ada");
  operations[2].key = litestash_key_string("bob");
  operations[0].kind = LITESTASH_OP_EXPECT;
  operations[0].expected.data = hundred.data;
  operations[0].expected.length = hundred.length;
  operations[1].kind = operations[2].kind = LITESTASH_OP_INCREMENT;
  operations[1].integer = -30;
  operations[2].integer = 30;
  WORKS(litestash_transaction(stash, operations, 3, answers, &verdict));
  CHECK(verdict.committed && answers[0].flag && answers[1].integer == 70 && answers[2].integer == 30);
  litestash_answers_free(answers, 3);
  WORKS(litestash_transaction(stash, operations, 3, answers, &verdict));
  CHECK(!verdict.committed && verdict.refused == 0 && has(stash, "bob", "30"));
  operations[0].kind = LITESTASH_OP_CHECK;
  operations[0].options.condition = LITESTASH_IF_PRESENT;
  operations[1].kind = LITESTASH_OP_TOUCH;
  WORKS(litestash_transaction(stash, operations, 3, NULL, &verdict));
  CHECK(verdict.committed && has(stash, "bob", "60"));

  /* One that fails, and one that makes no sense: nothing is done. */
  set(stash, "ada", "\"text\"");
  for (index = 0; index < 2; index++) {
    operations[1].kind = index == 0 ? LITESTASH_OP_INCREMENT : 99;
    GIVES(index == 0 ? LITESTASH_TYPE_MISMATCH : LITESTASH_INVALID_ARGUMENT,
          litestash_transaction(stash, operations, 3, answers, &verdict));
    CHECK(has(stash, "bob", "60"));
  }
  litestash_buffer_free(&hundred);
  WORKS(litestash_close(stash));
}

/* What was heard. */
struct heard {
  pthread_mutex_t lock;
  pthread_cond_t more;
  litestash_stash stash;
  litestash_subscription subscription;
  int events, sets, deletes, clears, from_elsewhere, in_bucket;
};

static void start_hearing(struct heard *heard)
{
  memset(heard, 0, sizeof *heard);
  CHECK(pthread_mutex_init(&heard->lock, NULL) == 0 && pthread_cond_init(&heard->more, NULL) == 0);
}

static void hear(void *context, const litestash_event *event)
{
  struct heard *heard = (struct heard *)context;
  CHECK(event->missed == 0 && event->shard < 16 && event->has_key == (event->kind != LITESTASH_EVENT_CLEAR));
  pthread_mutex_lock(&heard->lock);
  heard->events++;
  heard->sets += event->kind == LITESTASH_EVENT_SET && event->has_version && event->key.kind == LITESTASH_KEY_TEXT &&
                 event->key.length == 6 && memcmp(event->key.content.data, "user:", 5) == 0;
  heard->deletes += event->kind == LITESTASH_EVENT_DELETE;
  heard->clears += event->kind == LITESTASH_EVENT_CLEAR;
  heard->from_elsewhere += event->from_elsewhere;
  heard->in_bucket += event->bucket_length == 1 && event->bucket[0] == 'b';
  pthread_cond_signal(&heard->more);
  pthread_mutex_unlock(&heard->lock);
}

/* Waits until there were so many; the test's time limit is that of whoever runs it. */
static void wait_for_events(struct heard *heard, int events)
{
  pthread_mutex_lock(&heard->lock);
  while (heard->events < events) {
    pthread_cond_wait(&heard->more, &heard->lock);
  }
  CHECK(heard->events == events);
  pthread_mutex_unlock(&heard->lock);
}

static void events(void)
{
  struct heard all, some;
  litestash_filter filter = litestash_filter_default();
  litestash_stash stash, bucket;
  litestash_subscription first, second;
  litestash_key key = litestash_key_string("user:2");
  uint64_t dropped;

  start_hearing(&all);
  start_hearing(&some);
  WORKS(litestash_open_memory(NULL, &stash));
  WORKS(litestash_subscribe(stash, NULL, hear, &all, &first));
  filter.kinds = LITESTASH_EVENT_SET | LITESTASH_EVENT_ACCESS;
  filter.prefix = "user:";
  filter.prefix_length = 5;
  WORKS(litestash_subscribe(stash, &filter, hear, &some, &second));
  set(stash, "user:1", "1");
  set(stash, "user:2", "1");
  set(stash, "other1", "1");
  CHECK(has(stash, "user:1", "1"));
  WORKS(litestash_delete(stash, key, NULL));
  WORKS(litestash_clear(stash));
  wait_for_events(&some, 3);
  CHECK(some.sets == 2);
  WORKS(litestash_subscription_dropped(second, &dropped));
  CHECK(dropped == 0);
  WORKS(litestash_unsubscribe(second));
  GIVES(LITESTASH_CLOSED, litestash_unsubscribe(second));
  set(stash, "user:3", "1");

  WORKS(litestash_bucket(stash, "b", 1, NULL, &bucket));
  filter = litestash_filter_default();
  filter.key = &key;
  start_hearing(&some);
  WORKS(litestash_subscribe(bucket, &filter, hear, &some, &second));
  set(bucket, "user:1", "1");
  set(bucket, "user:2", "1");
  wait_for_events(&some, 1);
  CHECK(some.in_bucket == 1);
  /* Closing the stash lets the function be called for all that waits. */
  WORKS(litestash_close(stash));
  WORKS(litestash_unsubscribe(second));
  WORKS(litestash_unsubscribe(first));
  CHECK(all.sets == 3 && all.deletes == 1 && all.clears > 0 && all.from_elsewhere == 0 && some.events == 1);
}

/* Unsubscribes and closes from within. */
static void hear_once(void *context, const litestash_event *event)
{
  struct heard *heard = (struct heard *)context;
  CHECK(event->has_key);
  pthread_mutex_lock(&heard->lock);
  heard->events++;
  WORKS(litestash_unsubscribe(heard->subscription));
  WORKS(litestash_close(heard->stash));
  pthread_cond_signal(&heard->more);
  pthread_mutex_unlock(&heard->lock);
}

static void ending_from_within(const char *directory)
{
  struct heard heard;
  start_hearing(&heard);
  WORKS(litestash_open(directory, NULL, &heard.stash));
  pthread_mutex_lock(&heard.lock);
  WORKS(litestash_subscribe(heard.stash, NULL, hear_once, &heard, &heard.subscription));
  set(heard.stash, "user:1", "1");
  pthread_mutex_unlock(&heard.lock);
  wait_for_events(&heard, 1);
  /* Whoever takes the lock comes after the function's last use of it. */
  pthread_mutex_lock(&heard.lock);
  GIVES(LITESTASH_CLOSED, litestash_check(heard.stash));
  pthread_mutex_unlock(&heard.lock);
}

static bool is_two(void *context, const uint8_t *value, size_t length)
{
  int *calls = (int *)context;
  ++*calls;
  return value != NULL && length == 1 && value[0] == 2;
}

static void events_of_other_processes(const char *directory)
{
  struct heard heard;
  litestash_filter filter = litestash_filter_default();
  litestash_stash stash;
  litestash_subscription subscription;
  int to_child[2], status, calls = 0;
  bool held;
  char go = 'g';
  pid_t child;

  /* The child waits until it is watched; it is made before anything is opened. */
  CHECK(pipe(to_child) == 0);
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    CHECK(read(to_child[0], &go, 1) == 1);
    WORKS(litestash_open(directory, NULL, &stash));
    set(stash, "user:1", "1");
    set(stash, "user:2", "2");
    WORKS(litestash_close(stash));
    _exit(0);
  }
  start_hearing(&heard);
  WORKS(litestash_open(directory, NULL, &stash));
  filter.all_processes = 1;
  WORKS(litestash_subscribe(stash, &filter, hear, &heard, &subscription));
  set(stash, "user:3", "3");
  CHECK(write(to_child[1], &go, 1) == 1);
  WORKS(litestash_wait_for(stash, litestash_key_string("user:2"), 60000000, is_two, &calls, &held));
  CHECK(held && calls > 0);
  wait_for_events(&heard, 3);
  CHECK(heard.sets == 3 && heard.from_elsewhere == 2);
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  WORKS(litestash_wait_for(stash, litestash_key_string("user:1"), 1000, is_two, &calls, &held));
  CHECK(!held);
  filter.kinds = LITESTASH_EVENT_ACCESS;
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_subscribe(stash, &filter, hear, &heard, &subscription));
  WORKS(litestash_unsubscribe(subscription));
  WORKS(litestash_log_changes(stash, 1000000));
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_log_changes(stash, UINT64_MAX));
  WORKS(litestash_close(stash));
  close(to_child[0]);
  close(to_child[1]);
}

static void peeking(const char *directory)
{
  litestash_stash stash;
  litestash_key key = litestash_key_string("user:1");
  uint8_t room[4] = {0, 0, 0, 0};
  size_t length;
  uint32_t known;

  WORKS(litestash_open(directory, NULL, &stash));
  WORKS(litestash_peek_into(stash, key, room, sizeof room, &length, &known));
  CHECK(known == LITESTASH_PEEK_UNKNOWN && length == 0);
  set(stash, "user:1", "7");
  CHECK(has(stash, "user:1", "7"));
  WORKS(litestash_peek_into(stash, key, room, sizeof room, &length, &known));
  CHECK(known == LITESTASH_PEEK_FOUND && length == 1 && room[0] == 7);
  WORKS(litestash_delete(stash, key, NULL));
  WORKS(litestash_peek_into(stash, key, room, sizeof room, &length, &known));
  CHECK(known != LITESTASH_PEEK_FOUND && length == 0);
  WORKS(litestash_close(stash));
}

struct computation {
  litestash_stash stash;
  int calls;
};

/* The number of the call. */
static int32_t count(void *context, litestash_builder value)
{
  struct computation *computation = (struct computation *)context;
  computation->calls++;
  return litestash_build_integer(value, computation->calls);
}

/* Asks for the key that another caller computes: it is given the old value. */
static void *ask_meanwhile(void *context)
{
  struct computation inner;
  litestash_compute_options options = litestash_compute_options_default();
  litestash_buffer value;
  options.set.deadline = litestash_deadline_in(1000);
  options.stale_us = 1000;
  inner = *(struct computation *)context;
  inner.calls = 100;
  WORKS(litestash_get_or_set_with(inner.stash, litestash_key_string("fresh"), &options, count, &inner, &value));
  CHECK(holds(&value, "1") && inner.calls == 100);
  return NULL;
}

static int32_t count_slowly(void *context, litestash_builder value)
{
  pthread_t other;
  CHECK(pthread_create(&other, NULL, ask_meanwhile, context) == 0 && pthread_join(other, NULL) == 0);
  return count(context, value);
}

static void computing(void)
{
  litestash_options opening = with_clock();
  litestash_compute_options options = litestash_compute_options_default();
  struct computation computation = {{0}, 0};
  litestash_key key = litestash_key_string("fresh");
  litestash_buffer value;

  WORKS(litestash_open_memory(&opening, &computation.stash));
  options.set.deadline = litestash_deadline_in(1000);
  options.stale_us = 1000;
  WORKS(litestash_get_or_set_with(computation.stash, key, &options, count, &computation, &value));
  CHECK(holds(&value, "1"));
  now_us += 900;
  WORKS(litestash_get_or_set_with(computation.stash, key, &options, count, &computation, &value));
  CHECK(holds(&value, "1") && computation.calls == 1);
  now_us += 200;
  WORKS(litestash_get_or_set_with(computation.stash, key, &options, count_slowly, &computation, &value));
  CHECK(holds(&value, "2") && computation.calls == 2);
  options.lease_us = 1;
  GIVES(LITESTASH_INVALID_ARGUMENT,
        litestash_get_or_set_with(computation.stash, key, &options, count, &computation, &value));
  options = litestash_compute_options_default();
  options.stale_us = 1;
  GIVES(LITESTASH_INVALID_ARGUMENT,
        litestash_get_or_set_with(computation.stash, key, &options, count, &computation, &value));
  options = litestash_compute_options_default();
  options.this_process_only = 1;
  options.lease_us = 10000;
  key = litestash_key_string("other");
  WORKS(litestash_get_or_set_with(computation.stash, key, &options, count, &computation, &value));
  CHECK(holds(&value, "3"));
  WORKS(litestash_close(computation.stash));
}

static int32_t stop_rotating(void *context, uint64_t rows, uint64_t tables)
{
  (void)rows;
  (void)tables;
  return ++*(int *)context;
}

static void encryption(const char *parent)
{
  litestash_options options = litestash_options_default();
  litestash_stash stash;
  litestash_buffer report;
  uint8_t key[LITESTASH_ENCRYPTION_KEY_BYTES];
  char directory[4096], repaired[4096];
  int calls = 0;
  bool flag;

  snprintf(directory, sizeof directory, "%s-encrypted", parent);
  memset(key, 7, sizeof key);
  options.encryption_key = key;
  options.encryption_key_length = sizeof key - 1;
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_open(directory, &options, &stash));
  options.encryption_key_length = sizeof key;
  options.compression_level = 20;
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_open(directory, &options, &stash));
  options.compression_level = 3;
  WORKS(litestash_open(directory, &options, &stash));
  WORKS(litestash_is_encrypted(stash, &flag));
  CHECK(flag);
  set(stash, "secret", "\"text\"");
  GIVES(LITESTASH_CANCELLED, litestash_rotate_key(stash, stop_rotating, &calls, NULL));
  CHECK(calls == 1);
  WORKS(litestash_rotate_key(stash, NULL, NULL, &report));
  CHECK(figure(&report, "rows") == 1);
  key[0] = 8;
  WORKS(litestash_change_key(stash, key, sizeof key));
  WORKS(litestash_close(stash));
  key[0] = 7;
  GIVES(LITESTASH_WRONG_KEY, litestash_open(directory, &options, &stash));
  GIVES(LITESTASH_WRONG_KEY, litestash_open(directory, NULL, &stash));
  key[0] = 8;
  WORKS(litestash_open(directory, &options, &stash));
  CHECK(has(stash, "secret", "\"text\""));
  WORKS(litestash_change_passphrase(stash, "open sesame", 11));
  WORKS(litestash_close(stash));
  options.passphrase = "open sesame";
  options.passphrase_length = 11;
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_open(directory, &options, &stash));
  options.encryption_key = NULL;
  options.encryption_key_length = 0;
  WORKS(litestash_open(directory, &options, &stash));
  CHECK(has(stash, "secret", "\"text\""));
  WORKS(litestash_close(stash));

  snprintf(repaired, sizeof repaired, "%s-repaired", parent);
  GIVES(LITESTASH_WRONG_KEY, litestash_repair(directory, repaired, NULL));
  GIVES(LITESTASH_WRONG_KEY, litestash_repair_with(directory, repaired, NULL, NULL));
  WORKS(litestash_repair_with(directory, repaired, &options, &report));
  CHECK(figure(&report, "rows") == 1);
  GIVES(LITESTASH_WRONG_KEY, litestash_open(repaired, NULL, &stash));
  WORKS(litestash_open(repaired, &options, &stash));
  CHECK(has(stash, "secret", "\"text\""));
  WORKS(litestash_close(stash));
}

int main(int argc, char **argv)
{
  CHECK(argc == 2);
  events_of_other_processes(argv[1]);
  deadlines();
  limits();
  buckets(argv[1]);
  transactions();
  events();
  ending_from_within(argv[1]);
  peeking(argv[1]);
  computing();
  encryption(argv[1]);
  return 0;
}
