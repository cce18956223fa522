/* The operations of conformance/PROTOCOL.md, from JSON to JSON. */
#include "runner.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* An operation on one key. */
typedef struct {
  litestash_op op;
  litestash_buffer key, value, expected;
  bool answers_flag, answers_deadline;
} single;

static json take(request *from, const char *name)
{
  return json_take(from->members, from->count, name);
}

static litestash_status open_request(json object, request *opened)
{
  size_t length;
  memset(opened, 0, sizeof *opened);
  if (!json_members(object, &opened->members, &opened->count)) {
    return BAD;
  }
  opened->name = json_text(take(opened, "op"), &length);
  return opened->name == NULL ? BAD : LITESTASH_OK;
}

static void close_request(request *opened)
{
  free(opened->members);
  free(opened->name);
}

/* Refuses members that nobody asked for. */
static litestash_status finish(const request *opened)
{
  size_t index;
  for (index = 0; index < opened->count; index++) {
    if (!opened->members[index].taken) {
      return BAD;
    }
  }
  return LITESTASH_OK;
}

static litestash_status take_key(request *from, single *one)
{
  json key = take(from, "key");
  return key.text == NULL ? BAD : litestash_key_from_json(key.text, key.length, &one->op.key, &one->key);
}

/* Takes a value of that name; without one `encoded` stays empty. */
static litestash_status take_optional(request *from, const char *name, litestash_buffer *encoded, litestash_bytes *lent)
{
  json value = take(from, name);
  if (value.text == NULL) {
    return LITESTASH_OK;
  }
  TRY(litestash_value_from_json(value.text, value.length, encoded));
  lent->data = encoded->data;
  lent->length = encoded->length;
  return LITESTASH_OK;
}

static litestash_status take_value(request *from, single *one)
{
  TRY(take_optional(from, "value", &one->value, &one->op.value));
  return one->value.data == NULL ? BAD : LITESTASH_OK;
}

static litestash_status take_deadline(request *from, litestash_deadline *deadline)
{
  json ttl = take(from, "ttl_us"), at = take(from, "expires_at");
  int64_t us;
  if (ttl.text != NULL) {
    if (at.text != NULL || !json_integer(ttl, &us)) {
      return BAD;
    }
    *deadline = litestash_deadline_in(us);
  } else if (at.text != NULL) {
    if (!json_integer(at, &us)) {
      return BAD;
    }
    *deadline = litestash_deadline_at(us);
  }
  return LITESTASH_OK;
}

static litestash_status take_condition(request *from, litestash_set_options *options)
{
  json condition = take(from, "if");
  json_member *members;
  size_t count, length;
  char *word;
  bool good;
  if (condition.text == NULL) {
    return LITESTASH_OK;
  }
  if (json_members(condition, &members, &count)) {
    options->condition = LITESTASH_IF_VERSION;
    good = json_integer(json_take(members, count, "version"), &options->version) && count == 1;
    free(members);
    return good ? LITESTASH_OK : BAD;
  }
  word = json_text(condition, &length);
  if (word != NULL && strcmp(word, "absent") == 0) {
    options->condition = LITESTASH_IF_ABSENT;
  } else if (word != NULL && strcmp(word, "present") == 0) {
    options->condition = LITESTASH_IF_PRESENT;
  }
  free(word);
  return options->condition == LITESTASH_IF_ANY ? BAD : LITESTASH_OK;
}

static litestash_status take_set(request *from, single *one)
{
  json keep;
  bool flag = false;
  TRY(take_value(from, one));
  TRY(take_deadline(from, &one->op.options.deadline));
  keep = take(from, "keep_ttl");
  if (keep.text != NULL && !json_bool(keep, &flag)) {
    return BAD;
  }
  one->op.options.keep_ttl = flag;
  return take_condition(from, &one->op.options);
}

static litestash_status take_add(request *from, single *one)
{
  one->op.options.condition = LITESTASH_IF_ABSENT;
  one->answers_flag = true;
  return take_value(from, one);
}

static litestash_status take_replace(request *from, single *one)
{
  one->op.options.condition = LITESTASH_IF_PRESENT;
  one->answers_flag = true;
  return take_value(from, one);
}

static litestash_status take_compare(request *from, single *one)
{
  TRY(take_optional(from, "expected", &one->expected, &one->op.expected));
  return take_value(from, one);
}

static litestash_status take_increment(request *from, single *one)
{
  return json_integer(take(from, "by"), &one->op.integer) ? LITESTASH_OK : BAD;
}

static litestash_status take_increment_float(request *from, single *one)
{
  return json_float(take(from, "by"), &one->op.number) ? LITESTASH_OK : BAD;
}

static litestash_status take_expire(request *from, single *one)
{
  TRY(take_deadline(from, &one->op.options.deadline));
  return one->op.options.deadline.kind == LITESTASH_DEADLINE_NONE ? BAD : LITESTASH_OK;
}

static litestash_status take_ttl(request *from, single *one)
{
  (void)from;
  one->answers_deadline = true;
  return LITESTASH_OK;
}

static const struct {
  const char *name;
  uint32_t kind;
  litestash_status (*take)(request *from, single *one);
} singles[] = {
  {"get", LITESTASH_OP_GET, NULL},
  {"take", LITESTASH_OP_TAKE, NULL},
  {"exists", LITESTASH_OP_EXISTS, NULL},
  {"delete", LITESTASH_OP_DELETE, NULL},
  {"entry", LITESTASH_OP_ENTRY, NULL},
  {"persist", LITESTASH_OP_PERSIST, NULL},
  {"ttl", LITESTASH_OP_ENTRY, take_ttl},
  {"set", LITESTASH_OP_SET, take_set},
  {"add", LITESTASH_OP_SET, take_add},
  {"replace", LITESTASH_OP_SET, take_replace},
  {"compare_and_set", LITESTASH_OP_COMPARE_AND_SET, take_compare},
  {"increment", LITESTASH_OP_INCREMENT, take_increment},
  {"increment_float", LITESTASH_OP_INCREMENT_FLOAT, take_increment_float},
  {"expire", LITESTASH_OP_EXPIRE, take_expire},
};

static litestash_status take_single(request *from, single *one)
{
  size_t index;
  for (index = 0; index < sizeof singles / sizeof singles[0]; index++) {
    if (strcmp(singles[index].name, from->name) == 0) {
      one->op.kind = singles[index].kind;
      TRY(take_key(from, one));
      if (singles[index].take != NULL) {
        TRY(singles[index].take(from, one));
      }
      return finish(from);
    }
  }
  return BAD;
}

static void free_single(single *one)
{
  litestash_buffer_free(&one->key);
  litestash_buffer_free(&one->value);
  litestash_buffer_free(&one->expected);
}

/* Performs it by the stash's own function of that name, and answers as a batch would. */
static litestash_status perform(litestash_stash stash, const single *one, litestash_answer *answer)
{
  const litestash_op *op = &one->op;
  const litestash_key key = op->key;
  litestash_written written;
  litestash_lifetime lifetime;
  litestash_entry entry;
  switch (op->kind) {
  case LITESTASH_OP_GET:
    return litestash_get(stash, key, &answer->value);
  case LITESTASH_OP_TAKE:
    return litestash_take(stash, key, &answer->value);
  case LITESTASH_OP_EXISTS:
    return litestash_exists(stash, key, &answer->flag);
  case LITESTASH_OP_DELETE:
    return litestash_delete(stash, key, &answer->flag);
  case LITESTASH_OP_PERSIST:
    return litestash_persist(stash, key, &answer->flag);
  case LITESTASH_OP_EXPIRE:
    return litestash_expire(stash, key, op->options.deadline, &answer->flag);
  case LITESTASH_OP_INCREMENT:
    return litestash_increment(stash, key, op->integer, &answer->integer);
  case LITESTASH_OP_INCREMENT_FLOAT:
    return litestash_increment_float(stash, key, op->number, &answer->number);
  case LITESTASH_OP_COMPARE_AND_SET:
    return litestash_compare_and_set(stash, key, op->expected.data, op->expected.length, op->value.data,
                                     op->value.length, &answer->flag);
  case LITESTASH_OP_SET:
    if (one->answers_flag) {
      const bool adds = op->options.condition == LITESTASH_IF_ABSENT;
      return adds ? litestash_add(stash, key, op->value.data, op->value.length, &answer->flag)
                  : litestash_replace(stash, key, op->value.data, op->value.length, &answer->flag);
    }
    TRY(litestash_set(stash, key, op->value.data, op->value.length, &op->options, &written));
    answer->flag = written.stored;
    answer->version = written.version;
    return LITESTASH_OK;
  default:
    if (one->answers_deadline) {
      TRY(litestash_expires_at(stash, key, &lifetime));
      answer->flag = lifetime.present;
      answer->has_deadline = lifetime.has_deadline;
      answer->expires_at = lifetime.us;
      return LITESTASH_OK;
    }
    TRY(litestash_get_entry(stash, key, &entry));
    answer->value = entry.value;
    answer->version = entry.version;
    answer->flag = entry.present;
    answer->has_deadline = entry.has_deadline;
    answer->expires_at = entry.expires_at;
    return LITESTASH_OK;
  }
}

static void print_flag(bool flag)
{
  printf("%s", flag ? "true" : "false");
}

static void print_found(const litestash_buffer *value)
{
  if (value->data == NULL) {
    printf("null");
    return;
  }
  printf("{\"value\":");
  print_value(value->data, value->length);
  putchar('}');
}

static void print_float(double number)
{
  litestash_builder builder;
  litestash_buffer value;
  if (litestash_builder_new(&builder) != LITESTASH_OK || litestash_build_float(builder, number) != LITESTASH_OK ||
      litestash_builder_finish(builder, &value) != LITESTASH_OK) {
    stop(1, litestash_error_message());
  }
  print_value(value.data, value.length);
  litestash_buffer_free(&value);
  litestash_builder_free(builder);
}

static void print_deadline(const litestash_answer *answer)
{
  if (answer->has_deadline) {
    printf("\"expires_at\":%" PRId64, answer->expires_at);
  } else {
    printf("\"expires_at\":null");
  }
}

static void print_entry(const single *one, const litestash_answer *answer)
{
  if (!answer->flag) {
    printf("null");
    return;
  }
  putchar('{');
  if (!one->answers_deadline) {
    printf("\"value\":");
    print_value(answer->value.data, answer->value.length);
    printf(",\"version\":%" PRId64 ",\"size\":%zu,", answer->version, answer->value.length);
  }
  print_deadline(answer);
  putchar('}');
}

static void print_answer(const single *one, const litestash_answer *answer)
{
  switch (one->op.kind) {
  case LITESTASH_OP_GET:
  case LITESTASH_OP_TAKE:
    print_found(&answer->value);
    break;
  case LITESTASH_OP_ENTRY:
    print_entry(one, answer);
    break;
  case LITESTASH_OP_INCREMENT:
    printf("%" PRId64, answer->integer);
    break;
  case LITESTASH_OP_INCREMENT_FLOAT:
    print_float(answer->number);
    break;
  case LITESTASH_OP_SET:
    if (one->answers_flag) {
      print_flag(answer->flag);
    } else if (answer->flag) {
      printf("%" PRId64, answer->version);
    } else {
      printf("null");
    }
    break;
  default:
    print_flag(answer->flag);
  }
}

static litestash_status run_single(litestash_stash stash, request *from)
{
  single one;
  litestash_answer answer;
  litestash_status status;
  memset(&one, 0, sizeof one);
  memset(&answer, 0, sizeof answer);
  status = take_single(from, &one);
  if (status == LITESTASH_OK && (status = perform(stash, &one, &answer)) == LITESTASH_OK) {
    print_answer(&one, &answer);
  }
  litestash_buffer_free(&answer.value);
  free_single(&one);
  return status;
}

/* An array of `count` zeroed elements. */
static void *array(size_t count, size_t size)
{
  void *memory = calloc(count + 1, size);
  if (memory == NULL) {
    stop(1, "out of memory");
  }
  return memory;
}

static litestash_status run_apply(litestash_stash stash, request *from)
{
  json *operations;
  size_t count, good = 0, index;
  single *all;
  litestash_op *ops;
  litestash_answer *answers, *next;
  litestash_status status, *refused;
  if (!json_elements(take(from, "operations"), &operations, &count)) {
    return BAD;
  }
  all = array(count, sizeof *all);
  ops = array(count, sizeof *ops);
  answers = array(count, sizeof *answers);
  refused = array(count, sizeof *refused);
  for (index = 0; index < count; index++) {
    request inner;
    refused[index] = open_request(operations[index], &inner);
    if (refused[index] == LITESTASH_OK) {
      refused[index] = take_single(&inner, &all[index]);
    }
    if (refused[index] == LITESTASH_OK) {
      ops[good++] = all[index].op;
    }
    close_request(&inner);
  }
  status = finish(from);
  if (status == LITESTASH_OK && (status = litestash_apply(stash, ops, good, answers)) == LITESTASH_OK) {
    next = answers;
    putchar('[');
    for (index = 0; index < count; index++) {
      printf("%s", index == 0 ? "" : ",");
      if (refused[index] != LITESTASH_OK) {
        print_error(refused[index]);
      } else if (next->status != LITESTASH_OK) {
        print_error(next++->status);
      } else {
        print_answer(&all[index], next++);
      }
    }
    putchar(']');
    litestash_answers_free(answers, good);
  }
  for (index = 0; index < count; index++) {
    free_single(&all[index]);
  }
  free(all);
  free(ops);
  free(answers);
  free(refused);
  free(operations);
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

static litestash_status run(litestash_stash stash, request *from)
{
  const char *name = from->name;
  uint64_t rows;
  if (strcmp(name, "get_many") == 0) {
    return run_get_many(stash, from);
  }
  if (strcmp(name, "set_many") == 0) {
    return run_set_many(stash, from);
  }
  if (strcmp(name, "delete_many") == 0) {
    return run_delete_many(stash, from);
  }
  if (strcmp(name, "apply") == 0) {
    return run_apply(stash, from);
  }
  if (strcmp(name, "keys") == 0 || strcmp(name, "values") == 0 || strcmp(name, "items") == 0) {
    return run_scan(stash, from, name[0]);
  }
  if (strcmp(name, "len") == 0) {
    TRY(finish(from));
    TRY(litestash_length(stash, &rows));
    printf("%" PRIu64, rows);
    return LITESTASH_OK;
  }
  if (strcmp(name, "clear") == 0) {
    TRY(finish(from));
    TRY(litestash_clear(stash));
    printf("null");
    return LITESTASH_OK;
  }
  return run_single(stash, from);
}

void operation(litestash_stash stash, json object)
{
  request opened;
  litestash_status status = open_request(object, &opened);
  if (status == LITESTASH_OK) {
    status = run(stash, &opened);
  }
  if (status != LITESTASH_OK) {
    print_error(status);
  }
  close_request(&opened);
}
