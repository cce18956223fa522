/* Operations on one key. */
#include "request.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json take(request *from, const char *name)
{
  return json_take(from->members, from->count, name);
}

litestash_status open_request(json object, request *opened)
{
  size_t length;
  memset(opened, 0, sizeof *opened);
  if (!json_members(object, &opened->members, &opened->count)) {
    return BAD;
  }
  opened->name = json_text(take(opened, "op"), &length);
  return opened->name == NULL ? BAD : LITESTASH_OK;
}

void close_request(request *opened)
{
  free(opened->members);
  free(opened->name);
}

litestash_status finish(const request *opened)
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
  json ttl = take(from, "ttl_us"), idle = take(from, "idle_us"), at = take(from, "expires_at");
  json given = ttl.text != NULL ? ttl : idle.text != NULL ? idle : at;
  int64_t us;
  if ((ttl.text != NULL) + (idle.text != NULL) + (at.text != NULL) > 1) {
    return BAD;
  }
  if (given.text == NULL) {
    return LITESTASH_OK;
  }
  if (at.text != NULL && at.length == 4 && memcmp(at.text, "null", 4) == 0) {
    *deadline = litestash_deadline_never();
    return LITESTASH_OK;
  }
  if (!json_integer(given, &us)) {
    return BAD;
  }
  *deadline = ttl.text != NULL ? litestash_deadline_in(us)
              : idle.text != NULL ? litestash_deadline_idle(us)
                                  : litestash_deadline_at(us);
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

static litestash_status take_check(request *from, single *one)
{
  TRY(take_condition(from, &one->op.options));
  TRY(take_optional(from, "expected", &one->expected, &one->op.expected));
  if ((one->op.options.condition == LITESTASH_IF_ANY) == (one->expected.data == NULL)) {
    return BAD;
  }
  if (one->expected.data != NULL) {
    one->op.kind = LITESTASH_OP_EXPECT;
  }
  return LITESTASH_OK;
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
  {"touch", LITESTASH_OP_TOUCH, NULL},
  {"check", LITESTASH_OP_CHECK, take_check},
  {"ttl", LITESTASH_OP_ENTRY, take_ttl},
  {"set", LITESTASH_OP_SET, take_set},
  {"add", LITESTASH_OP_SET, take_add},
  {"replace", LITESTASH_OP_SET, take_replace},
  {"compare_and_set", LITESTASH_OP_COMPARE_AND_SET, take_compare},
  {"increment", LITESTASH_OP_INCREMENT, take_increment},
  {"increment_float", LITESTASH_OP_INCREMENT_FLOAT, take_increment_float},
  {"expire", LITESTASH_OP_EXPIRE, take_expire},
};

litestash_status take_single(request *from, single *one)
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

void free_single(single *one)
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
  case LITESTASH_OP_TOUCH:
    return litestash_touch(stash, key, &answer->flag);
  case LITESTASH_OP_CHECK:
  case LITESTASH_OP_EXPECT:
    TRY(litestash_apply(stash, op, 1, answer));
    return answer->status;
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
    answer->idle_us = entry.idle_us;
    return LITESTASH_OK;
  }
}

void print_flag(bool flag)
{
  printf("%s", flag ? "true" : "false");
}

void print_found(const litestash_buffer *value)
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
  if (!one->answers_deadline && answer->idle_us != 0) {
    printf(",\"idle_us\":%" PRIu64, answer->idle_us);
  }
  putchar('}');
}

void print_answer(const single *one, const litestash_answer *answer)
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

litestash_status run_single(litestash_stash stash, request *from)
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
