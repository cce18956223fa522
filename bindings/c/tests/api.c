/* Every function does what the header says. Meaning in all its cases is for the conformance suite. */
#include "check.h"

static int64_t now_us = 1700000000000000;

static int64_t clock_of_test(void *context)
{
  return *(int64_t *)context;
}

static litestash_stash open_with_clock(const char *directory)
{
  litestash_options options = litestash_options_default();
  litestash_stash stash;
  options.clock = clock_of_test;
  options.clock_context = &now_us;
  WORKS(litestash_open(directory, &options, &stash));
  return stash;
}

static void versions_and_errors(void)
{
  CHECK(strcmp(litestash_version(), LITESTASH_VERSION) == 0);
  CHECK(litestash_version_number() == LITESTASH_VERSION_NUMBER);
  CHECK(strncmp(litestash_sqlite_version(), "3.", 2) == 0);
  CHECK(strcmp(litestash_status_name(LITESTASH_OK), "Ok") == 0);
  CHECK(strcmp(litestash_status_name(LITESTASH_BUSY), "Busy") == 0);
  CHECK(strcmp(litestash_status_name(-1), "Unknown") == 0);
  CHECK(strlen(litestash_status_meaning(LITESTASH_CORRUPT)) > 10);
  CHECK(litestash_status_retry(LITESTASH_BUSY) == LITESTASH_RETRY_LATER);
  CHECK(litestash_status_retry(LITESTASH_INDETERMINATE) == LITESTASH_RETRY_AFTER_READING);
  CHECK(litestash_status_retry(LITESTASH_IO) == LITESTASH_RETRY_AFTER_REPAIR);
  CHECK(litestash_error_status() == LITESTASH_OK && litestash_error_message()[0] == 0);
  GIVES(LITESTASH_INVALID_VALUE, litestash_value_check(NULL, 0));
  CHECK(litestash_error_status() == LITESTASH_INVALID_VALUE && litestash_error_message()[0] != 0);
}

static void one_key(litestash_stash stash)
{
  litestash_key key = litestash_key_string("key");
  litestash_buffer value = encoded("{\"b\":1,\"a\":[null,true,1.5]}");
  litestash_written written;
  litestash_set_options options = litestash_set_options_default();
  litestash_entry entry;
  uint8_t room[64];
  size_t length;
  bool flag;

  WORKS(litestash_exists(stash, key, &flag));
  CHECK(!flag);
  WORKS(litestash_set(stash, key, value.data, value.length, NULL, &written));
  CHECK(written.stored && written.version == now_us);
  WORKS(litestash_exists(stash, key, &flag));
  CHECK(flag && has(stash, "key", "{\"a\":[null,true,1.5],\"b\":1}") && has(stash, "none", NULL));

  WORKS(litestash_get_into(stash, key, room, sizeof room, &length));
  CHECK(length == value.length && memcmp(room, value.data, length) == 0);
  memset(room, 7, sizeof room);
  WORKS(litestash_get_into(stash, key, room, value.length - 1, &length));
  CHECK(length == value.length && room[0] == 7);
  WORKS(litestash_get_into(stash, key, NULL, 0, &length));
  CHECK(length == value.length);
  WORKS(litestash_get_into(stash, litestash_key_integer(3), room, sizeof room, &length));
  CHECK(length == 0);

  options.condition = LITESTASH_IF_VERSION;
  options.version = written.version - 1;
  WORKS(litestash_set(stash, key, value.data, value.length, &options, &written));
  CHECK(!written.stored);
  options.version = now_us;
  options.deadline = litestash_deadline_in(1000);
  WORKS(litestash_set(stash, key, value.data, value.length, &options, &written));
  CHECK(written.stored && written.version == now_us + 1);
  WORKS(litestash_get_entry(stash, key, &entry));
  CHECK(entry.present && entry.has_deadline && entry.expires_at == now_us + 1000);
  CHECK(entry.version == now_us + 1 && entry.value.length == value.length);
  litestash_buffer_free(&entry.value);
  WORKS(litestash_get_entry(stash, litestash_key_string("none"), &entry));
  CHECK(!entry.present && entry.value.data == NULL);

  WORKS(litestash_add(stash, key, value.data, value.length, &flag));
  CHECK(!flag);
  WORKS(litestash_add(stash, litestash_key_string("new"), value.data, value.length, &flag));
  CHECK(flag);
  WORKS(litestash_replace(stash, litestash_key_string("none"), value.data, value.length, &flag));
  CHECK(!flag);
  WORKS(litestash_replace(stash, key, value.data, value.length, &flag));
  CHECK(flag);
  WORKS(litestash_delete(stash, litestash_key_string("new"), &flag));
  CHECK(flag);
  WORKS(litestash_delete(stash, litestash_key_string("new"), NULL));
  litestash_buffer_free(&value);
  WORKS(litestash_take(stash, key, &value));
  CHECK(holds(&value, "{\"a\":[null,true,1.5],\"b\":1}"));
  WORKS(litestash_take(stash, key, &value));
  CHECK(value.data == NULL && value.length == 0);
}

static void numbers_and_conditions(litestash_stash stash)
{
  litestash_key key = litestash_key_string("number");
  litestash_buffer one = encoded("1"), two = encoded("2");
  int64_t sum;
  double total;
  bool stored;

  WORKS(litestash_increment(stash, key, 5, &sum));
  CHECK(sum == 5);
  WORKS(litestash_increment(stash, key, -7, &sum));
  CHECK(sum == -2);
  WORKS(litestash_increment(stash, key, 3, NULL));
  WORKS(litestash_increment_float(stash, key, 0.5, &total));
  CHECK(total == 1.5);
  GIVES(LITESTASH_TYPE_MISMATCH, litestash_increment(stash, key, 1, &sum));
  WORKS(litestash_increment(stash, litestash_key_string("most"), INT64_MAX, NULL));
  GIVES(LITESTASH_OVERFLOW, litestash_increment(stash, litestash_key_string("most"), 1, NULL));

  key = litestash_key_string("compared");
  WORKS(litestash_compare_and_set(stash, key, one.data, one.length, two.data, two.length, &stored));
  CHECK(!stored);
  WORKS(litestash_compare_and_set(stash, key, NULL, 0, one.data, one.length, &stored));
  CHECK(stored);
  WORKS(litestash_compare_and_set(stash, key, one.data, one.length, two.data, two.length, &stored));
  CHECK(stored && has(stash, "compared", "2"));
  GIVES(LITESTASH_INVALID_VALUE,
        litestash_compare_and_set(stash, key, (const uint8_t *)"\xc1", 1, two.data, two.length, &stored));
  litestash_buffer_free(&one);
  litestash_buffer_free(&two);
}

static void deadlines(litestash_stash stash)
{
  litestash_key key = litestash_key_string("short");
  litestash_buffer value = encoded("\"lived\"");
  litestash_set_options options = litestash_set_options_ttl(1000);
  litestash_lifetime lifetime;
  bool flag;

  WORKS(litestash_set(stash, key, value.data, value.length, &options, NULL));
  WORKS(litestash_ttl(stash, key, &lifetime));
  CHECK(lifetime.present && lifetime.has_deadline && lifetime.us == 1000);
  WORKS(litestash_expires_at(stash, key, &lifetime));
  CHECK(lifetime.us == now_us + 1000);
  WORKS(litestash_expire(stash, key, litestash_deadline_at(now_us + 5), &flag));
  CHECK(flag);
  options = litestash_set_options_default();
  options.keep_ttl = 1;
  WORKS(litestash_set(stash, key, value.data, value.length, &options, NULL));
  WORKS(litestash_persist(stash, key, &flag));
  CHECK(flag);
  WORKS(litestash_persist(stash, key, &flag));
  CHECK(!flag);
  WORKS(litestash_ttl(stash, key, &lifetime));
  CHECK(lifetime.present && !lifetime.has_deadline && lifetime.us == 0);
  WORKS(litestash_expire(stash, key, litestash_deadline_in(10), NULL));
  now_us += 10;
  WORKS(litestash_ttl(stash, key, &lifetime));
  CHECK(!lifetime.present && has(stash, "short", NULL));
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_expire(stash, key, litestash_deadline_in(0), NULL));
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_expire(stash, key, litestash_deadline_in(-1), NULL));
  options.deadline = litestash_deadline_in(1);
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_set(stash, key, value.data, value.length, &options, NULL));
  litestash_buffer_free(&value);
}

static void kinds_of_keys(litestash_stash stash)
{
  const litestash_key keys[] = {
    litestash_key_text("a\0b", 3), litestash_key_bytes("a\0b", 3), litestash_key_integer(INT64_MIN),
    litestash_key_float(1.5),      litestash_key_text("", 0),      litestash_key_bytes(NULL, 0),
  };
  const char *json[] = {"\"a\\u0000b\"", "{\"$bytes\":\"YQBi\"}", "-9223372036854775808",
                        "1.5",           "\"\"",                  "{\"$bytes\":\"\"}"};
  const size_t count = sizeof keys / sizeof keys[0];
  litestash_buffer text, memory, value = encoded("null");
  litestash_place place, again;
  litestash_key key;
  uint64_t before, rows;
  bool present;
  size_t index;

  WORKS(litestash_length(stash, &before));
  for (index = 0; index < count; index++) {
    WORKS(litestash_set(stash, keys[index], value.data, value.length, NULL, NULL));
    WORKS(litestash_key_to_json(keys[index], &text));
    CHECK(strcmp((const char *)text.data, json[index]) == 0);
    WORKS(litestash_key_from_json((const char *)text.data, text.length, &key, &memory));
    CHECK(key.kind == keys[index].kind && key.length == keys[index].length);
    WORKS(litestash_exists(stash, key, &present));
    CHECK(present);
    litestash_buffer_free(&memory);
    litestash_buffer_free(&text);
  }
  WORKS(litestash_length(stash, &rows));
  CHECK(rows == before + count);
  WORKS(litestash_key_place(litestash_key_float(-0.0), &place));
  WORKS(litestash_key_place(litestash_key_integer(0), &again));
  CHECK(place.kind == LITESTASH_KEY_INTEGER && memcmp(place.hash, again.hash, sizeof place.hash) == 0);
  CHECK(place.shard == place.hash[0] >> 4 && place.slot == (place.hash[0] >> 2 & 3));
  litestash_buffer_free(&value);
}

static void many_keys(litestash_stash stash)
{
  enum { COUNT = 300 };
  static char names[COUNT][32];
  litestash_key keys[COUNT];
  litestash_bytes values[COUNT];
  litestash_buffer read[COUNT], value = encoded("{\"same\":true}");
  int64_t versions[COUNT];
  bool deleted[COUNT];
  int index;

  for (index = 0; index < COUNT; index++) {
    snprintf(names[index], sizeof names[index], "many:%d", index);
    keys[index] = litestash_key_string(names[index]);
    values[index].data = value.data;
    values[index].length = value.length;
  }
  WORKS(litestash_set_many(stash, keys, values, COUNT, versions));
  WORKS(litestash_set_many(stash, keys, values, COUNT, NULL));
  CHECK(versions[0] == now_us && versions[COUNT - 1] == now_us);
  keys[7] = litestash_key_string("none");
  WORKS(litestash_get_many(stash, keys, COUNT, read));
  CHECK(read[7].data == NULL && read[8].length == value.length);
  litestash_buffers_free(read, COUNT);
  CHECK(read[8].data == NULL);
  WORKS(litestash_delete_many(stash, keys, COUNT, deleted));
  CHECK(!deleted[7] && deleted[8]);
  WORKS(litestash_delete_many(stash, keys, COUNT, NULL));
  WORKS(litestash_get_many(stash, NULL, 0, NULL));
  litestash_buffer_free(&value);
}

static void batch(litestash_stash stash)
{
  enum { COUNT = 13 };
  litestash_op operations[COUNT];
  litestash_answer answers[COUNT];
  litestash_buffer one = encoded("1"), text = encoded("\"text\"");
  int index;

  memset(operations, 0, sizeof operations);
  for (index = 0; index < COUNT; index++) {
    operations[index].key = litestash_key_string("batch");
    operations[index].value.data = one.data;
    operations[index].value.length = one.length;
  }
  operations[0].kind = LITESTASH_OP_SET;
  operations[1].kind = LITESTASH_OP_GET;
  operations[2].kind = LITESTASH_OP_EXISTS;
  operations[3].kind = LITESTASH_OP_INCREMENT;
  operations[3].integer = 41;
  operations[4].kind = LITESTASH_OP_EXPIRE;
  operations[4].options.deadline = litestash_deadline_in(1000000);
  operations[5].kind = LITESTASH_OP_ENTRY;
  operations[6].kind = LITESTASH_OP_PERSIST;
  operations[7].kind = LITESTASH_OP_INCREMENT_FLOAT;
  operations[7].number = 0.5;
  operations[8].kind = LITESTASH_OP_COMPARE_AND_SET;
  operations[8].expected.data = text.data;
  operations[8].expected.length = text.length;
  operations[9].kind = LITESTASH_OP_INCREMENT;
  operations[10].kind = LITESTASH_OP_TAKE;
  operations[11].kind = LITESTASH_OP_DELETE;
  operations[12].kind = 99;
  WORKS(litestash_apply(stash, operations, COUNT, answers));
  for (index = 0; index < COUNT; index++) {
    litestash_status expected = LITESTASH_OK;
    if (index == 9) {
      expected = LITESTASH_TYPE_MISMATCH;
    } else if (index == 12) {
      expected = LITESTASH_INVALID_ARGUMENT;
    }
    CHECK(answers[index].status == expected);
    CHECK((answers[index].status == LITESTASH_OK) == (index != 9 && index != 12));
  }
  CHECK(answers[0].flag && answers[0].version == now_us);
  CHECK(answers[1].flag && answers[1].value.length == one.length);
  CHECK(answers[2].flag && answers[3].integer == 42 && answers[4].flag);
  CHECK(answers[5].flag && answers[5].has_deadline && answers[5].expires_at == now_us + 1000000);
  CHECK(answers[6].flag && answers[7].number == 42.5 && !answers[8].flag);
  CHECK(answers[9].value.length > 0 && answers[10].flag && !answers[11].flag);
  litestash_answers_free(answers, COUNT);
  CHECK(answers[1].value.data == NULL);
  litestash_buffer_free(&one);
  litestash_buffer_free(&text);
}

static void iterating(litestash_stash stash)
{
  litestash_scan_options options = litestash_scan_options_default();
  litestash_iterator iterator;
  litestash_item item;
  litestash_buffer cursor, value;
  int rows = 0, index;

  WORKS(litestash_clear(stash));
  for (index = 0; index < 40; index++) {
    char name[32];
    snprintf(name, sizeof name, "%s:%d", index % 2 == 0 ? "even" : "odd", index);
    set(stash, name, "[1,2]");
  }
  WORKS(litestash_keys(stash, NULL, &iterator));
  for (;;) {
    WORKS(litestash_next(iterator, &item));
    if (!item.present) {
      break;
    }
    CHECK(item.key.kind == LITESTASH_KEY_TEXT && item.value == NULL && item.value_length == 0);
    rows++;
  }
  CHECK(rows == 40);
  WORKS(litestash_next(iterator, &item));
  CHECK(!item.present);
  WORKS(litestash_iterator_free(iterator));

  options.prefix = "even:";
  options.prefix_length = 5;
  options.limited = 1;
  options.limit = 12;
  WORKS(litestash_items(stash, &options, &iterator));
  for (rows = 0;; rows++) {
    WORKS(litestash_next(iterator, &item));
    if (!item.present) {
      break;
    }
    CHECK(item.key.length > 5 && memcmp(item.key.content.data, "even:", 5) == 0);
    WORKS(litestash_value_to_json(item.value, item.value_length, &value));
    CHECK(strcmp((const char *)value.data, "[1,2]") == 0);
    litestash_buffer_free(&value);
  }
  CHECK(rows == 12);
  WORKS(litestash_iterator_cursor(iterator, &cursor));
  WORKS(litestash_iterator_free(iterator));
  CHECK(cursor.length == 128);
  options.cursor = (const char *)cursor.data;
  options.cursor_length = cursor.length;
  WORKS(litestash_items(stash, &options, &iterator));
  for (rows = 0;; rows++) {
    WORKS(litestash_next(iterator, &item));
    if (!item.present) {
      break;
    }
  }
  CHECK(rows == 8);
  WORKS(litestash_iterator_free(iterator));
  litestash_buffer_free(&cursor);
}

static void building_and_reading(void)
{
  const float numbers[] = {1.0f, -2.5f};
  float read[2];
  litestash_builder builder;
  litestash_buffer value, nested;
  litestash_reader reader, member;
  const char *text;
  const uint8_t *bytes;
  size_t length, count;
  int64_t integer;
  uint64_t natural;
  uint32_t nanoseconds, kind;
  double number;
  bool flag;

  WORKS(litestash_builder_new(&builder));
  WORKS(litestash_build_map(builder));
  WORKS(litestash_build_key(builder, "z", 1));
  WORKS(litestash_build_nil(builder));
  WORKS(litestash_build_key(builder, "list", 4));
  WORKS(litestash_build_array(builder));
  WORKS(litestash_build_bool(builder, true));
  WORKS(litestash_build_integer(builder, -5));
  WORKS(litestash_build_unsigned(builder, UINT64_MAX));
  WORKS(litestash_build_float(builder, 1.0));
  WORKS(litestash_build_text(builder, "text", 4));
  WORKS(litestash_build_bytes(builder, (const uint8_t *)"\0\1", 2));
  WORKS(litestash_build_timestamp(builder, -1, 999999999));
  WORKS(litestash_build_vector(builder, numbers, 2));
  nested = encoded("{\"in\":1}");
  WORKS(litestash_build_encoded(builder, nested.data, nested.length));
  litestash_buffer_free(&nested);
  WORKS(litestash_build_json(builder, "[]", 2));
  WORKS(litestash_build_end(builder));
  WORKS(litestash_build_end(builder));
  WORKS(litestash_builder_finish(builder, &value));

  reader = litestash_reader_of(value.data, value.length);
  WORKS(litestash_read_member(&reader, "list", 4, &member));
  CHECK(member.data != NULL);
  WORKS(litestash_read_type(&member, &kind));
  CHECK(kind == LITESTASH_TYPE_ARRAY);
  GIVES(LITESTASH_TYPE_MISMATCH, litestash_read_map(&member, &count));
  WORKS(litestash_read_array(&member, &count));
  CHECK(count == 10);
  GIVES(LITESTASH_TYPE_MISMATCH, litestash_read_integer(&member, &integer));
  WORKS(litestash_read_bool(&member, &flag));
  CHECK(flag);
  GIVES(LITESTASH_OVERFLOW, litestash_read_unsigned(&member, &natural));
  WORKS(litestash_read_integer(&member, &integer));
  CHECK(integer == -5);
  GIVES(LITESTASH_OVERFLOW, litestash_read_integer(&member, &integer));
  WORKS(litestash_read_unsigned(&member, &natural));
  CHECK(natural == UINT64_MAX);
  WORKS(litestash_read_float(&member, &number));
  CHECK(number == 1.0);
  WORKS(litestash_read_text(&member, &text, &length));
  CHECK(length == 4 && memcmp(text, "text", 4) == 0);
  WORKS(litestash_read_bytes(&member, &bytes, &length));
  CHECK(length == 2 && bytes[1] == 1);
  WORKS(litestash_read_timestamp(&member, &integer, &nanoseconds));
  CHECK(integer == -1 && nanoseconds == 999999999);
  WORKS(litestash_read_vector(&member, NULL, 0, &count));
  CHECK(count == 2);
  WORKS(litestash_read_vector(&member, read, 2, &count));
  CHECK(read[0] == 1.0f && read[1] == -2.5f);
  WORKS(litestash_read_value(&member, &reader));
  CHECK(reader.length == 5);
  WORKS(litestash_read_value(&member, NULL));
  WORKS(litestash_read_type(&member, &kind));
  CHECK(kind == LITESTASH_TYPE_END);
  reader = litestash_reader_of(value.data, value.length);
  WORKS(litestash_read_member(&reader, "none", 4, &member));
  CHECK(member.data == NULL && member.length == 0);
  WORKS(litestash_read_map(&reader, &count));
  CHECK(count == 2);
  WORKS(litestash_read_text(&reader, &text, &length));
  CHECK(length == 4 && memcmp(text, "list", 4) == 0);
  WORKS(litestash_read_value(&reader, NULL));
  WORKS(litestash_read_text(&reader, &text, &length));
  WORKS(litestash_read_nil(&reader));
  CHECK(reader.length == 0);
  litestash_buffer_free(&value);

  /* The first mistake is kept until the end, and then the builder is as new. */
  WORKS(litestash_build_map(builder));
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_build_nil(builder));
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_build_key(builder, "a", 1));
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_builder_finish(builder, &value));
  GIVES(LITESTASH_INVALID_VALUE, litestash_build_text(builder, "\xff", 1));
  GIVES(LITESTASH_INVALID_VALUE, litestash_build_nil(builder));
  GIVES(LITESTASH_INVALID_VALUE, litestash_builder_finish(builder, &value));
  WORKS(litestash_build_integer(builder, 1));
  WORKS(litestash_builder_finish(builder, &value));
  CHECK(holds(&value, "1"));
  WORKS(litestash_builder_free(builder));
}

struct computation {
  litestash_stash stash;
  int calls;
  int result;
};

static int32_t compute(void *context, litestash_builder value)
{
  struct computation *computation = (struct computation *)context;
  computation->calls++;
  set(computation->stash, "computed-other", "true");
  litestash_build_json(value, "[1]", 3);
  return computation->result;
}

static int32_t compute_badly(void *context, litestash_builder value)
{
  (void)context;
  litestash_build_array(value);
  return 0;
}

static int32_t compute_freed(void *context, litestash_builder value)
{
  (void)context;
  return litestash_builder_free(value);
}

static void computing(litestash_stash stash)
{
  struct computation computation;
  litestash_key key = litestash_key_string("computed");
  litestash_buffer value;
  bool present;

  computation.stash = stash;
  computation.calls = 0;
  computation.result = 7;
  GIVES(LITESTASH_COMPUTE_FAILED, litestash_get_or_set(stash, key, NULL, compute, &computation, &value));
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_get_or_set(stash, key, NULL, compute_badly, NULL, &value));
  GIVES(LITESTASH_CLOSED, litestash_get_or_set(stash, key, NULL, compute_freed, NULL, &value));
  WORKS(litestash_exists(stash, key, &present));
  CHECK(!present);
  computation.result = 0;
  WORKS(litestash_get_or_set(stash, key, NULL, compute, &computation, &value));
  CHECK(holds(&value, "[1]"));
  WORKS(litestash_get_or_set(stash, key, NULL, compute, &computation, &value));
  CHECK(holds(&value, "[1]") && computation.calls == 2 && has(stash, "computed-other", "true"));
}

struct text {
  char bytes[4096];
  size_t length, at;
};

static int32_t append(void *context, const uint8_t *data, size_t length)
{
  struct text *text = (struct text *)context;
  if (text->length + length > sizeof text->bytes) {
    return 1;
  }
  memcpy(text->bytes + text->length, data, length);
  text->length += length;
  return 0;
}

static size_t give(void *context, uint8_t *data, size_t capacity)
{
  struct text *text = (struct text *)context;
  size_t length = text->length - text->at;
  length = length > capacity ? capacity : length;
  length = length > 7 ? 7 : length;
  memcpy(data, text->bytes + text->at, length);
  text->at += length;
  return length;
}

static size_t give_up(void *context, uint8_t *data, size_t capacity)
{
  (void)context;
  (void)data;
  return capacity + 1;
}

static int32_t refuse(void *context, const uint8_t *data, size_t length)
{
  (void)context;
  (void)data;
  (void)length;
  return 1;
}

static int32_t heard(void *context, uint64_t lines, uint64_t bytes, uint64_t rows)
{
  CHECK(bytes > 0 && rows <= lines);
  *(uint64_t *)context = lines;
  return 0;
}

static int64_t member(litestash_buffer *report, const char *name)
{
  litestash_reader reader = litestash_reader_of(report->data, report->length), value;
  int64_t number;
  WORKS(litestash_read_member(&reader, name, strlen(name), &value));
  CHECK(value.data != NULL);
  WORKS(litestash_read_integer(&value, &number));
  litestash_buffer_free(report);
  return number;
}

static void care(litestash_stash stash, const char *directory)
{
  litestash_stash other, full;
  litestash_buffer report, path;
  litestash_import_options options;
  struct text text = {{0}, 0, 0};
  char place[512];
  uint64_t lines = 0;
  bool read_only;

  WORKS(litestash_clear(stash));
  set(stash, "a", "1");
  set(stash, "b", "{\"$bytes\":\"AAEC\"}");
  WORKS(litestash_stats(stash, &report));
  CHECK(member(&report, "rows") == 2);
  WORKS(litestash_verify(stash, &report));
  CHECK(member(&report, "rows") == 2);
  WORKS(litestash_compact(stash, &report));
  litestash_buffer_free(&report);
  WORKS(litestash_compact(stash, NULL));
  WORKS(litestash_sync(stash));
  snprintf(place, sizeof place, "%s-backup", directory);
  WORKS(litestash_backup(stash, place, &report));
  CHECK(member(&report, "shards") > 0);
  WORKS(litestash_open(place, NULL, &other));
  CHECK(has(other, "a", "1"));
  WORKS(litestash_close(other));
  snprintf(place + strlen(place), 16, "-again");
  {
    char source[512];
    snprintf(source, sizeof source, "%s-backup", directory);
    WORKS(litestash_repair(source, place, &report));
    CHECK(member(&report, "rows") == 2);
  }

  WORKS(litestash_export(stash, NULL, append, &text, &report));
  CHECK(member(&report, "rows") == 2 && text.length > 20 && text.bytes[text.length - 1] == '\n');
  GIVES(LITESTASH_CANCELLED, litestash_export(stash, NULL, refuse, NULL, NULL));
  WORKS(litestash_open_memory(NULL, &other));
  memset(&options, 0, sizeof options);
  options.progress = heard;
  options.progress_context = &lines;
  options.keep_versions = 1;
  WORKS(litestash_import(other, give, &text, &options, &report));
  CHECK(member(&report, "rows") == 2 && lines == 2 && has(other, "b", "{\"$bytes\":\"AAEC\"}"));
  GIVES(LITESTASH_CANCELLED, litestash_import(other, give_up, NULL, NULL, NULL));
  WORKS(litestash_path(other, &path));
  CHECK(path.data == NULL);
  WORKS(litestash_close(other));

  WORKS(litestash_path(stash, &path));
  CHECK(path.length > 0 && path.data[0] == '/');
  litestash_buffer_free(&path);
  WORKS(litestash_is_read_only(stash, &read_only));
  CHECK(!read_only);
  WORKS(litestash_with_durability(stash, LITESTASH_DURABILITY_FULL, &full));
  set(full, "c", "true");
  WORKS(litestash_release(full));
  GIVES(LITESTASH_CLOSED, litestash_check(full));
  WORKS(litestash_with_durability(stash, LITESTASH_DURABILITY_RELAXED, &full));
  WORKS(litestash_check(full));
  CHECK(has(full, "c", "true"));
  WORKS(litestash_close(stash));
  GIVES(LITESTASH_CLOSED, litestash_check(full));
}

static void options_of_opening(const char *directory)
{
  litestash_options options = litestash_options_default();
  litestash_stash stash;
  litestash_buffer value = encoded("null");

  CHECK(options.size == sizeof options && options.create == 1 && options.cache_bytes == 16u << 20);
  CHECK(options.value_bytes_max == LITESTASH_VALUE_BYTES_DEFAULT && options.busy_timeout_ms == 30000);
  options.read_only = 1;
  WORKS(litestash_open(directory, &options, &stash));
  CHECK(has(stash, "a", "1"));
  GIVES(LITESTASH_READ_ONLY,
        litestash_set(stash, litestash_key_integer(1), value.data, value.length, NULL, NULL));
  WORKS(litestash_close(stash));
  options.create = 0;
  GIVES(LITESTASH_NO_STASH, litestash_open("no/such/place", &options, &stash));
  /* An older program's options end earlier; the rest are defaults. */
  options = litestash_options_default();
  options.size = offsetof(litestash_options, value_bytes_max);
  options.value_bytes_max = 0;
  WORKS(litestash_open_memory(&options, &stash));
  WORKS(litestash_close(stash));
  options.size = sizeof options;
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_open_memory(&options, &stash));
  options = litestash_options_default();
  options.durability = 9;
  GIVES(LITESTASH_INVALID_ARGUMENT, litestash_open_memory(&options, &stash));
  litestash_buffer_free(&value);
}

static void contract(void)
{
  uint32_t crc;
  WORKS(litestash_crc32((const uint8_t *)"123456789", 9, &crc));
  CHECK(crc == 0xcbf43926u);
}

int main(int argc, char **argv)
{
  litestash_stash stash;
  CHECK(argc == 2);
  versions_and_errors();
  contract();
  building_and_reading();
  stash = open_with_clock(argv[1]);
  one_key(stash);
  numbers_and_conditions(stash);
  deadlines(stash);
  kinds_of_keys(stash);
  many_keys(stash);
  batch(stash);
  iterating(stash);
  computing(stash);
  care(stash, argv[1]);
  options_of_opening(argv[1]);
  return 0;
}
