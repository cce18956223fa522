/* The operations of conformance/PROTOCOL.md, from JSON to JSON. */
#include "request.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An array of `count` zeroed elements. */
static void *array(size_t count, size_t size)
{
  void *memory = calloc(count + 1, size);
  if (memory == NULL) {
    stop(1, "out of memory");
  }
  return memory;
}

/* Operations on one key each, and which of them are refused before the library sees them. */
typedef struct {
  size_t count, good;
  single *all;
  litestash_op *ops;
  litestash_answer *answers;
  litestash_status *refused;
} batch;

static litestash_status take_batch(request *from, batch *into)
{
  json *operations;
  size_t index;
  memset(into, 0, sizeof *into);
  if (!json_elements(take(from, "operations"), &operations, &into->count)) {
    into->count = 0;
    return BAD;
  }
  into->all = array(into->count, sizeof *into->all);
  into->ops = array(into->count, sizeof *into->ops);
  into->answers = array(into->count, sizeof *into->answers);
  into->refused = array(into->count, sizeof *into->refused);
  for (index = 0; index < into->count; index++) {
    request inner;
    litestash_status status = open_request(operations[index], &inner);
    if (status == LITESTASH_OK && (status = take_single(&inner, &into->all[index])) == LITESTASH_OK) {
      into->ops[into->good++] = into->all[index].op;
    }
    into->refused[index] = status;
    close_request(&inner);
  }
  free(operations);
  return finish(from);
}

static void free_batch(batch *all)
{
  size_t index;
  litestash_answers_free(all->answers, all->good);
  for (index = 0; index < all->count; index++) {
    free_single(&all->all[index]);
  }
  free(all->all);
  free(all->ops);
  free(all->answers);
  free(all->refused);
}

static void print_answers(const batch *all)
{
  const litestash_answer *next = all->answers;
  size_t index;
  putchar('[');
  for (index = 0; index < all->count; index++) {
    printf("%s", index == 0 ? "" : ",");
    if (all->refused[index] != LITESTASH_OK) {
      print_error(all->refused[index]);
    } else if (next->status != LITESTASH_OK) {
      print_error(next++->status);
    } else {
      print_answer(&all->all[index], next++);
    }
  }
  putchar(']');
}

static litestash_status run_apply(litestash_stash stash, request *from)
{
  batch all;
  litestash_status status = take_batch(from, &all);
  if (status == LITESTASH_OK && (status = litestash_apply(stash, all.ops, all.good, all.answers)) == LITESTASH_OK) {
    print_answers(&all);
  }
  free_batch(&all);
  return status;
}

static litestash_status run_transaction(litestash_stash stash, request *from)
{
  batch all;
  litestash_verdict verdict;
  litestash_status status = take_batch(from, &all);
  size_t index;
  for (index = 0; status == LITESTASH_OK && index < all.count; index++) {
    status = all.refused[index];
  }
  if (status == LITESTASH_OK) {
    status = litestash_transaction(stash, all.ops, all.good, all.answers, &verdict);
  }
  if (status == LITESTASH_OK && verdict.committed) {
    printf("{\"committed\":");
    print_answers(&all);
    putchar('}');
  } else if (status == LITESTASH_OK) {
    printf("{\"refused\":%zu}", verdict.refused);
  }
  free_batch(&all);
  return status;
}

/* Several keys, and a value for each if they come as pairs. */
typedef struct {
  size_t count;
  litestash_key *keys;
  litestash_bytes *values;
  litestash_buffer *key_memory, *value_memory;
} several;

static litestash_status take_pair(json pair, several *into, size_t index)
{
  json *parts;
  size_t count;
  litestash_status status = BAD;
  if (!json_elements(pair, &parts, &count)) {
    return BAD;
  }
  if (count == 2) {
    status = litestash_key_from_json(parts[0].text, parts[0].length, &into->keys[index], &into->key_memory[index]);
  }
  if (status == LITESTASH_OK) {
    status = litestash_value_from_json(parts[1].text, parts[1].length, &into->value_memory[index]);
    into->values[index].data = into->value_memory[index].data;
    into->values[index].length = into->value_memory[index].length;
  }
  free(parts);
  return status;
}

static litestash_status take_several(request *from, const char *name, bool pairs, several *into)
{
  json *elements;
  litestash_status status;
  size_t index;
  memset(into, 0, sizeof *into);
  if (!json_elements(take(from, name), &elements, &into->count)) {
    into->count = 0;
    return BAD;
  }
  into->keys = array(into->count, sizeof *into->keys);
  into->values = array(into->count, sizeof *into->values);
  into->key_memory = array(into->count, sizeof *into->key_memory);
  into->value_memory = array(into->count, sizeof *into->value_memory);
  status = finish(from);
  for (index = 0; status == LITESTASH_OK && index < into->count; index++) {
    json element = elements[index];
    status = pairs ? take_pair(element, into, index)
                   : litestash_key_from_json(element.text, element.length, &into->keys[index],
                                             &into->key_memory[index]);
  }
  free(elements);
  return status;
}

static void free_several(several *all)
{
  size_t index;
  for (index = 0; index < all->count; index++) {
    litestash_buffer_free(&all->key_memory[index]);
    litestash_buffer_free(&all->value_memory[index]);
  }
  free(all->keys);
  free(all->values);
  free(all->key_memory);
  free(all->value_memory);
}

static litestash_status run_get_many(litestash_stash stash, request *from)
{
  several all;
  litestash_status status = take_several(from, "keys", false, &all);
  litestash_buffer *found = array(all.count, sizeof *found);
  size_t index;
  if (status == LITESTASH_OK && (status = litestash_get_many(stash, all.keys, all.count, found)) == LITESTASH_OK) {
    putchar('[');
    for (index = 0; index < all.count; index++) {
      printf("%s", index == 0 ? "" : ",");
      print_found(&found[index]);
    }
    putchar(']');
    litestash_buffers_free(found, all.count);
  }
  free(found);
  free_several(&all);
  return status;
}

static litestash_status run_set_many(litestash_stash stash, request *from)
{
  several all;
  litestash_status status = take_several(from, "items", true, &all);
  int64_t *versions = array(all.count, sizeof *versions);
  size_t index;
  if (status == LITESTASH_OK &&
      (status = litestash_set_many(stash, all.keys, all.values, all.count, versions)) == LITESTASH_OK) {
    putchar('[');
    for (index = 0; index < all.count; index++) {
      printf("%s%" PRId64, index == 0 ? "" : ",", versions[index]);
    }
    putchar(']');
  }
  free(versions);
  free_several(&all);
  return status;
}

static litestash_status run_delete_many(litestash_stash stash, request *from)
{
  several all;
  litestash_status status = take_several(from, "keys", false, &all);
  bool *deleted = array(all.count, sizeof *deleted);
  size_t index;
  if (status == LITESTASH_OK &&
      (status = litestash_delete_many(stash, all.keys, all.count, deleted)) == LITESTASH_OK) {
    putchar('[');
    for (index = 0; index < all.count; index++) {
      printf("%s", index == 0 ? "" : ",");
      print_flag(deleted[index]);
    }
    putchar(']');
  }
  free(deleted);
  free_several(&all);
  return status;
}

static litestash_status list(litestash_iterator iterator, char what)
{
  litestash_item item;
  size_t rows;
  putchar('[');
  for (rows = 0;; rows++) {
    TRY(litestash_next(iterator, &item));
    if (!item.present) {
      break;
    }
    printf("%s%s", rows == 0 ? "" : ",", what == 'i' ? "[" : "");
    if (what != 'v') {
      print_key(item.key);
    }
    printf("%s", what == 'i' ? "," : "");
    if (what != 'k') {
      print_value(item.value, item.value_length);
    }
    printf("%s", what == 'i' ? "]" : "");
  }
  putchar(']');
  return LITESTASH_OK;
}

/* `what` is the first letter of keys, values or items. */
static litestash_status run_scan(litestash_stash stash, request *from, char what)
{
  litestash_scan_options options = litestash_scan_options_default();
  litestash_iterator iterator;
  json prefix = take(from, "prefix"), limit = take(from, "limit");
  int64_t rows;
  char *text = NULL;
  litestash_status status = finish(from);
  if (prefix.text != NULL && (text = json_text(prefix, &options.prefix_length)) == NULL) {
    status = BAD;
  }
  options.prefix = text;
  if (limit.text != NULL) {
    status = json_integer(limit, &rows) && rows >= 0 ? status : BAD;
    options.limit = (uint64_t)rows;
    options.limited = 1;
  }
  if (status == LITESTASH_OK) {
    status = what == 'k' ? litestash_keys(stash, &options, &iterator) : litestash_items(stash, &options, &iterator);
  }
  if (status == LITESTASH_OK) {
    status = list(iterator, what);
    litestash_iterator_free(iterator);
  }
  free(text);
  return status;
}

static litestash_status run_length(litestash_stash stash, request *from)
{
  uint64_t rows;
  TRY(finish(from));
  TRY(litestash_length(stash, &rows));
  printf("%" PRIu64, rows);
  return LITESTASH_OK;
}

static litestash_status run_clear(litestash_stash stash, request *from)
{
  TRY(finish(from));
  TRY(litestash_clear(stash));
  printf("null");
  return LITESTASH_OK;
}

/* Prints the number of that name in a report. */
static void print_figure(const litestash_buffer *report, const char *name)
{
  litestash_reader reader = litestash_reader_of(report->data, report->length), member;
  uint64_t figure;
  if (litestash_read_member(&reader, name, strlen(name), &member) != LITESTASH_OK ||
      litestash_read_unsigned(&member, &figure) != LITESTASH_OK) {
    stop(1, litestash_error_message());
  }
  printf("\"%s\":%" PRIu64, name, figure);
}

static litestash_status run_sweep(litestash_stash stash, request *from)
{
  litestash_buffer report;
  TRY(finish(from));
  TRY(litestash_sweep(stash, &report));
  putchar('{');
  print_figure(&report, "rows");
  putchar(',');
  print_figure(&report, "hints");
  putchar('}');
  litestash_buffer_free(&report);
  return LITESTASH_OK;
}

static litestash_status run_expire_older_than(litestash_stash stash, request *from)
{
  json age = take(from, "age_us"), prefix = take(from, "prefix");
  int64_t age_us;
  uint64_t removed;
  size_t length = 0;
  char *text = NULL;
  litestash_status status = finish(from);
  if (!json_integer(age, &age_us) || age_us < 0 ||
      (prefix.text != NULL && (text = json_text(prefix, &length)) == NULL)) {
    status = BAD;
  }
  if (status == LITESTASH_OK) {
    status = litestash_expire_older_than(stash, (uint64_t)age_us, text, length, &removed);
  }
  if (status == LITESTASH_OK) {
    printf("%" PRIu64, removed);
  }
  free(text);
  return status;
}

static litestash_status run_watch(litestash_stash stash, request *from)
{
  int64_t us;
  if (!json_integer(take(from, "us"), &us) || us <= 0) {
    return BAD;
  }
  TRY(finish(from));
  TRY(litestash_log_changes(stash, (uint64_t)us));
  printf("null");
  return LITESTASH_OK;
}

static litestash_status run_buckets(litestash_stash stash, request *from)
{
  litestash_buffer names;
  TRY(finish(from));
  TRY(litestash_buckets(stash, &names));
  print_value(names.data, names.length);
  litestash_buffer_free(&names);
  return LITESTASH_OK;
}

static litestash_status run_rotate_key(litestash_stash stash, request *from)
{
  litestash_buffer report;
  litestash_reader reader, member;
  uint64_t rows;
  TRY(finish(from));
  TRY(litestash_rotate_key(stash, NULL, NULL, &report));
  reader = litestash_reader_of(report.data, report.length);
  if (litestash_read_member(&reader, "resealed", 8, &member) != LITESTASH_OK ||
      litestash_read_unsigned(&member, &rows) != LITESTASH_OK) {
    stop(1, litestash_error_message());
  }
  printf("%" PRIu64, rows);
  litestash_buffer_free(&report);
  return LITESTASH_OK;
}

static const struct {
  const char *name;
  litestash_status (*run)(litestash_stash stash, request *from);
} others[] = {
  {"get_many", run_get_many},       {"set_many", run_set_many}, {"delete_many", run_delete_many},
  {"apply", run_apply},             {"len", run_length},        {"transaction", run_transaction},
  {"clear", run_clear},             {"sweep", run_sweep},       {"expire_older_than", run_expire_older_than},
  {"watch", run_watch},             {"buckets", run_buckets},   {"rotate_key", run_rotate_key},
};

static litestash_status run(litestash_stash stash, request *from)
{
  const char *name = from->name;
  size_t index;
  if (strcmp(name, "keys") == 0 || strcmp(name, "values") == 0 || strcmp(name, "items") == 0) {
    return run_scan(stash, from, name[0]);
  }
  for (index = 0; index < sizeof others / sizeof others[0]; index++) {
    if (strcmp(name, others[index].name) == 0) {
      return others[index].run(stash, from);
    }
  }
  return run_single(stash, from);
}

static litestash_status run_in_bucket(litestash_stash stash, request *from, const char *name, size_t length)
{
  litestash_stash bucket;
  litestash_status status;
  bool dropped;
  if (strcmp(from->name, "drop_bucket") == 0) {
    TRY(finish(from));
    TRY(litestash_drop_bucket(stash, name, length, &dropped));
    print_flag(dropped);
    return LITESTASH_OK;
  }
  TRY(litestash_bucket(stash, name, length, NULL, &bucket));
  status = run(bucket, from);
  litestash_release(bucket);
  return status;
}

void operation(litestash_stash stash, json object)
{
  request opened;
  litestash_status status = open_request(object, &opened);
  if (status == LITESTASH_OK) {
    json bucket = take(&opened, "bucket");
    if (bucket.text == NULL) {
      status = run(stash, &opened);
    } else {
      size_t length;
      char *name = json_text(bucket, &length);
      status = name == NULL ? BAD : run_in_bucket(stash, &opened, name, length);
      free(name);
    }
  }
  if (status != LITESTASH_OK) {
    print_error(status);
  }
  close_request(&opened);
}
