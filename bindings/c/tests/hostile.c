/* Misuse gives errors: NULL everywhere, impossible lengths, handles that are none, flags and kinds that are none. */
#include "check.h"

#define BAD LITESTASH_INVALID_ARGUMENT

/* Lengths that nobody has memory for. */
static const size_t lengths[] = {(size_t)1 << 31, SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX};

static void handles_that_are_none(litestash_status expected, litestash_stash stash)
{
  litestash_subscription subscription;
  litestash_verdict verdict;
  litestash_key key = litestash_key_integer(1);
  litestash_op operation;
  litestash_answer answer;
  litestash_buffer buffer;
  litestash_entry entry;
  litestash_lifetime lifetime;
  litestash_iterator iterator;
  litestash_stash other;
  litestash_bytes value = {(const uint8_t *)"\1", 1};
  uint8_t byte = 1;
  size_t length;
  uint64_t rows;
  int64_t sum;
  double total;
  bool flag;

  memset(&operation, 0, sizeof operation);
  GIVES(expected, litestash_check(stash));
  GIVES(expected, litestash_get(stash, key, &buffer));
  GIVES(expected, litestash_get_into(stash, key, &byte, 1, &length));
  GIVES(expected, litestash_exists(stash, key, &flag));
  GIVES(expected, litestash_get_entry(stash, key, &entry));
  GIVES(expected, litestash_set(stash, key, &byte, 1, NULL, NULL));
  GIVES(expected, litestash_add(stash, key, &byte, 1, NULL));
  GIVES(expected, litestash_replace(stash, key, &byte, 1, NULL));
  GIVES(expected, litestash_delete(stash, key, NULL));
  GIVES(expected, litestash_take(stash, key, &buffer));
  GIVES(expected, litestash_increment(stash, key, 1, &sum));
  GIVES(expected, litestash_increment_float(stash, key, 1, &total));
  GIVES(expected, litestash_compare_and_set(stash, key, NULL, 0, &byte, 1, NULL));
  GIVES(expected, litestash_get_or_set(stash, key, NULL, NULL, NULL, &buffer));
  GIVES(expected, litestash_get_or_set_with(stash, key, NULL, NULL, NULL, &buffer));
  GIVES(expected, litestash_touch(stash, key, NULL));
  GIVES(expected, litestash_sweep(stash, NULL));
  GIVES(expected, litestash_expire_older_than(stash, 1, NULL, 0, NULL));
  GIVES(expected, litestash_expiry_stats(stash, &buffer));
  GIVES(expected, litestash_transaction(stash, &operation, 1, NULL, &verdict));
  GIVES(expected, litestash_bucket(stash, "b", 1, NULL, &other));
  GIVES(expected, litestash_is_bucket(stash, &flag));
  GIVES(expected, litestash_buckets(stash, &buffer));
  GIVES(expected, litestash_is_encrypted(stash, &flag));
  GIVES(expected, litestash_rotate_key(stash, NULL, NULL, NULL));
  GIVES(expected, litestash_change_key(stash, &byte, 1));
  GIVES(expected, litestash_change_passphrase(stash, "p", 1));
  GIVES(expected, litestash_drop_bucket(stash, "b", 1, NULL));
  GIVES(expected, litestash_subscribe(stash, NULL, NULL, NULL, &subscription));
  GIVES(expected, litestash_log_changes(stash, 1));
  GIVES(expected, litestash_wait_for(stash, key, 1, NULL, NULL, &flag));
  GIVES(expected, litestash_ttl(stash, key, &lifetime));
  GIVES(expected, litestash_expires_at(stash, key, &lifetime));
  GIVES(expected, litestash_expire(stash, key, litestash_deadline_in(1), NULL));
  GIVES(expected, litestash_persist(stash, key, NULL));
  GIVES(expected, litestash_apply(stash, &operation, 1, &answer));
  GIVES(expected, litestash_get_many(stash, &key, 1, &buffer));
  GIVES(expected, litestash_set_many(stash, &key, &value, 1, NULL));
  GIVES(expected, litestash_delete_many(stash, &key, 1, NULL));
  GIVES(expected, litestash_length(stash, &rows));
  GIVES(expected, litestash_clear(stash));
  GIVES(expected, litestash_keys(stash, NULL, &iterator));
  GIVES(expected, litestash_items(stash, NULL, &iterator));
  GIVES(expected, litestash_stats(stash, &buffer));
  GIVES(expected, litestash_verify(stash, &buffer));
  GIVES(expected, litestash_compact(stash, NULL));
  GIVES(expected, litestash_backup(stash, "none", NULL));
  GIVES(expected, litestash_sync(stash));
  GIVES(expected, litestash_export(stash, NULL, NULL, NULL, NULL));
  GIVES(expected, litestash_import(stash, NULL, NULL, NULL, NULL));
  GIVES(expected, litestash_path(stash, &buffer));
  GIVES(expected, litestash_is_read_only(stash, &flag));
  GIVES(expected, litestash_with_durability(stash, 0, &other));
  GIVES(expected, litestash_release(stash));
  GIVES(expected, litestash_close(stash));
}

static void hear(void *context, const litestash_event *event)
{
  (void)context;
  (void)event;
}

static void null_everywhere(litestash_stash stash)
{
  bool flag;
  litestash_subscription subscription;
  litestash_verdict verdict;
  litestash_key key = litestash_key_integer(1);
  litestash_options options = litestash_options_default();
  uint8_t byte = 1;
  size_t length;
  uint32_t natural;
  int64_t integer;
  const char *text;
  const uint8_t *bytes;
  litestash_reader reader = litestash_reader_of(&byte, 1), nowhere = litestash_reader_of(NULL, 1);
  litestash_buffer buffer;
  litestash_builder builder;
  litestash_iterator iterator;

  litestash_buffer_free(NULL);
  litestash_buffers_free(NULL, 3);
  litestash_answers_free(NULL, 3);
  GIVES(BAD, litestash_options_init(NULL, sizeof options));
  GIVES(BAD, litestash_options_init(&options, 1));
  GIVES(BAD, litestash_open(NULL, NULL, &stash));
  GIVES(BAD, litestash_open("", NULL, &stash));
  GIVES(BAD, litestash_open("x", NULL, NULL));
  GIVES(BAD, litestash_open_memory(NULL, NULL));
  GIVES(BAD, litestash_with_durability(stash, 0, NULL));
  GIVES(BAD, litestash_with_durability(stash, 77, &stash));
  GIVES(BAD, litestash_path(stash, NULL));
  GIVES(BAD, litestash_is_read_only(stash, NULL));

  GIVES(BAD, litestash_get(stash, key, NULL));
  GIVES(BAD, litestash_get_into(stash, key, NULL, 1, &length));
  GIVES(BAD, litestash_get_into(stash, key, &byte, 1, NULL));
  GIVES(BAD, litestash_peek_into(stash, key, NULL, 1, &length, NULL));
  GIVES(BAD, litestash_peek_into(stash, key, &byte, 1, &length, NULL));
  GIVES(BAD, litestash_exists(stash, key, NULL));
  GIVES(BAD, litestash_get_entry(stash, key, NULL));
  GIVES(BAD, litestash_set(stash, key, NULL, 1, NULL, NULL));
  GIVES(LITESTASH_INVALID_VALUE, litestash_set(stash, key, NULL, 0, NULL, NULL));
  GIVES(BAD, litestash_add(stash, key, NULL, 1, NULL));
  GIVES(BAD, litestash_replace(stash, key, NULL, 1, NULL));
  GIVES(BAD, litestash_take(stash, key, NULL));
  GIVES(BAD, litestash_compare_and_set(stash, key, NULL, 1, &byte, 1, NULL));
  GIVES(BAD, litestash_compare_and_set(stash, key, NULL, 0, NULL, 1, NULL));
  GIVES(BAD, litestash_get_or_set(stash, key, NULL, NULL, NULL, &buffer));
  GIVES(BAD, litestash_get_or_set_with(stash, key, NULL, NULL, NULL, &buffer));
  GIVES(BAD, litestash_expiry_stats(stash, NULL));
  GIVES(BAD, litestash_expire_older_than(stash, 1, NULL, 1, NULL));
  GIVES(BAD, litestash_transaction(stash, NULL, 1, NULL, &verdict));
  GIVES(BAD, litestash_transaction(stash, NULL, 0, NULL, NULL));
  GIVES(BAD, litestash_bucket(stash, NULL, 0, NULL, &stash));
  GIVES(BAD, litestash_bucket(stash, NULL, 1, NULL, &stash));
  GIVES(BAD, litestash_bucket(stash, "b", 1, NULL, NULL));
  GIVES(BAD, litestash_buckets(stash, NULL));
  GIVES(BAD, litestash_is_encrypted(stash, NULL));
  GIVES(BAD, litestash_change_key(stash, NULL, 32));
  GIVES(BAD, litestash_change_passphrase(stash, NULL, 1));
  GIVES(BAD, litestash_rotate_key(stash, NULL, NULL, NULL));
  GIVES(BAD, litestash_is_bucket(stash, NULL));
  GIVES(BAD, litestash_drop_bucket(stash, NULL, 0, NULL));
  GIVES(BAD, litestash_subscribe(stash, NULL, NULL, NULL, &subscription));
  GIVES(BAD, litestash_subscribe(stash, NULL, hear, NULL, NULL));
  GIVES(BAD, litestash_wait_for(stash, key, 1, NULL, NULL, &flag));
  GIVES(BAD, litestash_ttl(stash, key, NULL));
  GIVES(BAD, litestash_expires_at(stash, key, NULL));

  GIVES(BAD, litestash_apply(stash, NULL, 1, NULL));
  GIVES(BAD, litestash_get_many(stash, NULL, 1, &buffer));
  GIVES(BAD, litestash_get_many(stash, &key, 1, NULL));
  GIVES(BAD, litestash_set_many(stash, &key, NULL, 1, NULL));
  GIVES(BAD, litestash_set_many(stash, NULL, (const litestash_bytes *)&reader, 1, NULL));
  GIVES(BAD, litestash_delete_many(stash, NULL, 1, NULL));
  GIVES(BAD, litestash_length(stash, NULL));
  GIVES(BAD, litestash_keys(stash, NULL, NULL));
  GIVES(BAD, litestash_items(stash, NULL, NULL));
  WORKS(litestash_keys(stash, NULL, &iterator));
  GIVES(BAD, litestash_next(iterator, NULL));
  GIVES(BAD, litestash_iterator_cursor(iterator, NULL));
  WORKS(litestash_iterator_free(iterator));

  GIVES(BAD, litestash_stats(stash, NULL));
  GIVES(BAD, litestash_verify(stash, NULL));
  GIVES(BAD, litestash_repair(NULL, "x", NULL));
  GIVES(BAD, litestash_repair("x", NULL, NULL));
  GIVES(BAD, litestash_repair_with(NULL, "x", NULL, NULL));
  GIVES(BAD, litestash_repair_with("x", NULL, NULL, NULL));
  GIVES(BAD, litestash_backup(stash, NULL, NULL));
  GIVES(BAD, litestash_export(stash, NULL, NULL, NULL, NULL));
  GIVES(BAD, litestash_import(stash, NULL, NULL, NULL, NULL));

  GIVES(BAD, litestash_builder_new(NULL));
  WORKS(litestash_builder_new(&builder));
  GIVES(BAD, litestash_build_text(builder, NULL, 1));
  GIVES(BAD, litestash_builder_finish(builder, &buffer));
  GIVES(BAD, litestash_build_bytes(builder, NULL, 1));
  GIVES(BAD, litestash_builder_finish(builder, &buffer));
  GIVES(BAD, litestash_build_vector(builder, NULL, 1));
  GIVES(BAD, litestash_builder_finish(builder, &buffer));
  GIVES(BAD, litestash_build_encoded(builder, NULL, 1));
  GIVES(BAD, litestash_builder_finish(builder, &buffer));
  GIVES(BAD, litestash_build_json(builder, NULL, 1));
  GIVES(BAD, litestash_builder_finish(builder, &buffer));
  GIVES(BAD, litestash_build_key(builder, NULL, 1));
  GIVES(BAD, litestash_builder_finish(builder, NULL));
  GIVES(BAD, litestash_builder_finish(builder, &buffer));
  GIVES(BAD, litestash_build_timestamp(builder, 0, 1000000000));
  WORKS(litestash_builder_free(builder));

  GIVES(BAD, litestash_read_type(NULL, &natural));
  GIVES(BAD, litestash_read_type(&reader, NULL));
  GIVES(BAD, litestash_read_type(&nowhere, &natural));
  GIVES(BAD, litestash_read_nil(NULL));
  GIVES(BAD, litestash_read_bool(&reader, NULL));
  GIVES(BAD, litestash_read_integer(NULL, &integer));
  GIVES(BAD, litestash_read_integer(&reader, NULL));
  GIVES(BAD, litestash_read_unsigned(&reader, NULL));
  GIVES(BAD, litestash_read_float(&reader, NULL));
  GIVES(BAD, litestash_read_text(&reader, NULL, &length));
  GIVES(BAD, litestash_read_text(&reader, &text, NULL));
  GIVES(BAD, litestash_read_bytes(&reader, NULL, &length));
  GIVES(BAD, litestash_read_bytes(&reader, &bytes, NULL));
  GIVES(BAD, litestash_read_array(&reader, NULL));
  GIVES(BAD, litestash_read_map(&reader, NULL));
  GIVES(BAD, litestash_read_timestamp(&reader, NULL, &natural));
  GIVES(BAD, litestash_read_timestamp(&reader, &integer, NULL));
  GIVES(BAD, litestash_read_vector(&reader, NULL, 1, &length));
  GIVES(BAD, litestash_read_vector(&reader, NULL, 0, NULL));
  GIVES(BAD, litestash_read_value(NULL, NULL));
  GIVES(BAD, litestash_read_member(&reader, NULL, 1, &nowhere));
  GIVES(BAD, litestash_read_member(&reader, "a", 1, NULL));

  GIVES(BAD, litestash_value_from_json(NULL, 1, &buffer));
  GIVES(BAD, litestash_value_from_json("1", 1, NULL));
  GIVES(BAD, litestash_value_to_json(NULL, 1, &buffer));
  GIVES(BAD, litestash_value_to_json(&byte, 1, NULL));
  GIVES(BAD, litestash_value_check(NULL, 1));
  GIVES(BAD, litestash_key_from_json("1", 1, NULL, &buffer));
  GIVES(BAD, litestash_key_from_json("1", 1, &key, NULL));
  GIVES(BAD, litestash_key_to_json(key, NULL));
  GIVES(BAD, litestash_key_place(key, NULL));
  GIVES(BAD, litestash_record_read(NULL, 0, 0, &byte, 1, NULL));
  GIVES(BAD, litestash_crc32(NULL, 1, &natural));
  GIVES(BAD, litestash_crc32(&byte, 1, NULL));
}

/* No case is a row that can be read: the conformance suite has those. */
static void sealed_rows(void)
{
  uint8_t bytes[64] = {0};
  litestash_options options = litestash_options_default();
  litestash_sealed_row row;
  litestash_key key;
  litestash_buffer memory;
  litestash_record record;
  size_t index;

  memset(&row, 0, sizeof row);
  options.encryption_key = bytes;
  options.encryption_key_length = LITESTASH_ENCRYPTION_KEY_BYTES;
#define READ(status, length) \
  GIVES(status, litestash_sealed_read(&row, bytes, (length), &options, &key, &memory, &record))
  GIVES(BAD, litestash_sealed_read(NULL, bytes, 1, &options, &key, &memory, &record));
  READ(BAD, 1);
  row.key_hash = bytes;
  GIVES(LITESTASH_WRONG_KEY, litestash_sealed_read(&row, bytes, 1, NULL, &key, &memory, &record));
  GIVES(BAD, litestash_sealed_read(&row, NULL, 1, &options, &key, &memory, &record));
  GIVES(BAD, litestash_sealed_read(&row, bytes, 1, &options, NULL, &memory, &record));
  GIVES(BAD, litestash_sealed_read(&row, bytes, 1, &options, &key, NULL, &record));
  GIVES(BAD, litestash_sealed_read(&row, bytes, 1, &options, &key, &memory, NULL));
  READ(LITESTASH_CORRUPT, 0);
  READ(LITESTASH_CORRUPT, sizeof bytes);
  for (index = 0; index < sizeof lengths / sizeof lengths[0]; index++) {
    READ(LITESTASH_TOO_LARGE, lengths[index]);
    row.key.data = row.record.data = bytes;
    row.key.length = lengths[index];
    READ(LITESTASH_TOO_LARGE, 1);
    row.key.length = 1;
    row.record.length = lengths[index];
    READ(LITESTASH_TOO_LARGE, 1);
    row.record.length = 1;
    row.bucket = "b";
    row.bucket_length = lengths[index];
    READ(LITESTASH_TOO_LARGE, 1);
    row.bucket = NULL;
    row.bucket_length = 0;
  }
  row.bucket_length = 1;
  READ(BAD, 1);
  row.bucket_length = 0;
  row.reserved[5] = 1;
  READ(BAD, 1);
  row.reserved[5] = 0;
  options.passphrase = "open sesame";
  options.passphrase_length = 11;
  READ(BAD, 1);
#undef READ
}

static void impossible_lengths(litestash_stash stash)
{
  litestash_stash bucket;
  litestash_verdict verdict;
  litestash_key key = litestash_key_integer(1);
  litestash_buffer buffer;
  litestash_builder builder;
  litestash_scan_options scan = litestash_scan_options_default();
  litestash_iterator iterator;
  litestash_op operation;
  litestash_answer answer;
  uint8_t byte = 0xc0;
  float number = 1;
  size_t index;

  memset(&operation, 0, sizeof operation);
  WORKS(litestash_builder_new(&builder));
  for (index = 0; index < sizeof lengths / sizeof lengths[0]; index++) {
    const size_t length = lengths[index];
    litestash_reader reader = litestash_reader_of(&byte, length);
    litestash_bytes value = {&byte, length};
    const litestash_status large = LITESTASH_TOO_LARGE;
    bool present;

    GIVES(large, litestash_exists(stash, litestash_key_text("k", length), &present));
    GIVES(large, litestash_exists(stash, litestash_key_bytes("k", length), &present));
    GIVES(large, litestash_set(stash, key, &byte, length, NULL, NULL));
    GIVES(large, litestash_add(stash, key, &byte, length, NULL));
    GIVES(large, litestash_bucket(stash, "b", length, NULL, &bucket));
    GIVES(large, litestash_drop_bucket(stash, "b", length, NULL));
    GIVES(large, litestash_expire_older_than(stash, 1, "p", length, NULL));
    GIVES(large, litestash_transaction(stash, &operation, length, NULL, &verdict));
    GIVES(large, litestash_compare_and_set(stash, key, &byte, length, &byte, 1, NULL));
    GIVES(large, litestash_compare_and_set(stash, key, NULL, 0, &byte, length, NULL));
    GIVES(large, litestash_apply(stash, &operation, length, &answer));
    GIVES(large, litestash_get_many(stash, &key, length, &buffer));
    GIVES(large, litestash_set_many(stash, &key, &value, 1, NULL));
    GIVES(large, litestash_set_many(stash, &key, &value, length, NULL));
    GIVES(large, litestash_delete_many(stash, &key, length, NULL));
    litestash_buffers_free(&buffer, length);
    litestash_answers_free(&answer, length);
    scan.prefix = "p";
    scan.prefix_length = length;
    GIVES(large, litestash_keys(stash, &scan, &iterator));
    scan.prefix = NULL;
    GIVES(BAD, litestash_keys(stash, &scan, &iterator));
    scan.prefix_length = 0;
    scan.cursor = "c";
    scan.cursor_length = length;
    GIVES(large, litestash_items(stash, &scan, &iterator));
    scan.cursor = NULL;
    scan.cursor_length = 0;
    GIVES(large, litestash_build_text(builder, "t", length));
    GIVES(large, litestash_builder_finish(builder, &buffer));
    GIVES(large, litestash_build_bytes(builder, &byte, length));
    GIVES(large, litestash_builder_finish(builder, &buffer));
    GIVES(large, litestash_build_vector(builder, &number, length));
    GIVES(large, litestash_builder_finish(builder, &buffer));
    GIVES(large, litestash_build_encoded(builder, &byte, length));
    GIVES(large, litestash_builder_finish(builder, &buffer));
    GIVES(large, litestash_build_json(builder, "1", length));
    GIVES(large, litestash_builder_finish(builder, &buffer));
    GIVES(large, litestash_build_key(builder, "k", length));
    GIVES(large, litestash_builder_finish(builder, &buffer));
    GIVES(large, litestash_read_nil(&reader));
    GIVES(large, litestash_read_value(&reader, NULL));
    GIVES(large, litestash_read_member(&reader, "k", 1, &reader));
    GIVES(large, litestash_value_from_json("1", length, &buffer));
    GIVES(large, litestash_value_to_json(&byte, length, &buffer));
    GIVES(large, litestash_value_check(&byte, length));
    GIVES(large, litestash_key_from_json("1", length, &key, &buffer));
  }
  WORKS(litestash_builder_free(builder));
}

static void what_means_nothing(litestash_stash stash)
{
  litestash_bucket_options own = litestash_bucket_options_default();
  litestash_compute_options computing = litestash_compute_options_default();
  litestash_filter filter = litestash_filter_default();
  litestash_subscription subscription;
  litestash_stash bucket;
  litestash_key key = litestash_key_integer(1);
  litestash_set_options options = litestash_set_options_default();
  litestash_scan_options scan = litestash_scan_options_default();
  litestash_deadline deadline;
  litestash_iterator iterator;
  litestash_options opening = litestash_options_default();
  litestash_buffer buffer;
  uint8_t byte = 1;
  bool present;
  size_t size;

  own.reserved[3] = 1;
  GIVES(BAD, litestash_bucket(stash, "b", 1, &own, &bucket));
  own = litestash_bucket_options_default();
  own.default_ttl = litestash_deadline_at(1);
  GIVES(BAD, litestash_bucket(stash, "b", 1, &own, &bucket));
  own = litestash_bucket_options_default();
  own.eviction = 99;
  GIVES(BAD, litestash_bucket(stash, "b", 1, &own, &bucket));
  own = litestash_bucket_options_default();
  own.has_durability = 1;
  own.durability = 99;
  GIVES(BAD, litestash_bucket(stash, "b", 1, &own, &bucket));
  GIVES(BAD, litestash_bucket(stash, "\xff", 1, NULL, &bucket));
  computing.reserved[4] = 1;
  GIVES(BAD, litestash_get_or_set_with(stash, key, &computing, NULL, NULL, &buffer));
  filter.kinds = 64;
  GIVES(BAD, litestash_subscribe(stash, &filter, hear, NULL, &subscription));
  filter = litestash_filter_default();
  filter.key = &key;
  filter.prefix = "";
  GIVES(BAD, litestash_subscribe(stash, &filter, hear, NULL, &subscription));
  filter = litestash_filter_default();
  filter.reserved[1] = 1;
  GIVES(BAD, litestash_subscribe(stash, &filter, hear, NULL, &subscription));
  opening.reserved[2] = 1;
  GIVES(BAD, litestash_open_memory(&opening, &bucket));
  opening = litestash_options_default();
  opening.eviction = 99;
  GIVES(BAD, litestash_open_memory(&opening, &bucket));
  opening = litestash_options_default();
  subscription.id = stash.id;
  GIVES(BAD, litestash_unsubscribe(subscription));
  subscription.id = 0;
  WORKS(litestash_unsubscribe(subscription));
  GIVES(LITESTASH_INVALID_KEY, litestash_exists(stash, litestash_key_text("\xff", 1), &present));
  GIVES(LITESTASH_INVALID_KEY, litestash_exists(stash, litestash_key_float(0.0 / (1.0 - 1.0)), &present));
  key.kind = 0;
  GIVES(LITESTASH_INVALID_KEY, litestash_exists(stash, key, &present));
  key.kind = UINT32_MAX;
  GIVES(LITESTASH_INVALID_KEY, litestash_exists(stash, key, &present));
  key = litestash_key_integer(1);
  GIVES(LITESTASH_INVALID_VALUE, litestash_set(stash, key, (const uint8_t *)"\1\1", 2, NULL, NULL));
  options.condition = 4;
  GIVES(BAD, litestash_set(stash, key, &byte, 1, &options, NULL));
  options = litestash_set_options_default();
  options.reserved[1] = 1;
  GIVES(BAD, litestash_set(stash, key, &byte, 1, &options, NULL));
  options = litestash_set_options_default();
  options.deadline.kind = 3;
  GIVES(BAD, litestash_set(stash, key, &byte, 1, &options, NULL));
  options.deadline = litestash_deadline_in(0);
  options.deadline.kind = LITESTASH_DEADLINE_NONE;
  options.deadline.us = 5;
  GIVES(BAD, litestash_set(stash, key, &byte, 1, &options, NULL));
  memset(&deadline, 0, sizeof deadline);
  GIVES(BAD, litestash_expire(stash, key, deadline, NULL));
  scan.reserved = 1;
  GIVES(BAD, litestash_keys(stash, &scan, &iterator));
  scan = litestash_scan_options_default();
  scan.cursor = "nonsense";
  scan.cursor_length = 8;
  GIVES(BAD, litestash_keys(stash, &scan, &iterator));
  for (size = 0; size < sizeof(size_t); size++) {
    opening.size = size;
    GIVES(BAD, litestash_open_memory(&opening, &stash));
  }
  opening.size = sizeof opening + 1;
  GIVES(BAD, litestash_open_memory(&opening, &stash));
  opening.size = SIZE_MAX;
  GIVES(BAD, litestash_open_memory(&opening, &stash));
  opening = litestash_options_default();
  opening.value_bytes_max = UINT64_MAX;
  GIVES(BAD, litestash_open_memory(&opening, &stash));
  GIVES(LITESTASH_INVALID_VALUE, litestash_value_from_json("{", 1, &buffer));
  GIVES(LITESTASH_INVALID_KEY, litestash_key_from_json("[]", 2, &key, &buffer));
}

static void readers_never_leave_their_bytes(void)
{
  /* Every prefix of a value, each in memory of just its size, so that the checkers see one byte too many. */
  litestash_buffer value = encoded("{\"a\":[1,{\"b\":\"text\"}],\"c\":{\"$vector\":\"AACAPw==\"},\"d\":70000}");
  size_t length;
  for (length = 0; length < value.length; length++) {
    uint8_t *copy = (uint8_t *)malloc(length == 0 ? 1 : length);
    litestash_reader reader = litestash_reader_of(copy, length), found;
    memcpy(copy, value.data, length);
    GIVES(LITESTASH_INVALID_VALUE, litestash_read_value(&reader, NULL));
    CHECK(reader.data == copy && reader.length == length);
    CHECK(litestash_read_member(&reader, "z", 1, &found) != LITESTASH_OK);
    GIVES(LITESTASH_INVALID_VALUE, litestash_value_check(copy, length));
    free(copy);
  }
  litestash_buffer_free(&value);
}

static void iterators_and_builders_that_are_none(litestash_stash stash)
{
  litestash_iterator iterator = {0};
  litestash_builder builder = {0};
  litestash_item item;
  litestash_buffer buffer;

  WORKS(litestash_iterator_free(iterator));
  WORKS(litestash_builder_free(builder));
  GIVES(BAD, litestash_next(iterator, &item));
  GIVES(BAD, litestash_build_nil(builder));
  iterator.id = stash.id;
  builder.id = stash.id;
  GIVES(BAD, litestash_next(iterator, &item));
  GIVES(BAD, litestash_iterator_free(iterator));
  GIVES(BAD, litestash_builder_free(builder));
  WORKS(litestash_keys(stash, NULL, &iterator));
  WORKS(litestash_iterator_free(iterator));
  GIVES(LITESTASH_CLOSED, litestash_iterator_free(iterator));
  GIVES(LITESTASH_CLOSED, litestash_next(iterator, &item));
  GIVES(LITESTASH_CLOSED, litestash_iterator_cursor(iterator, &buffer));
  WORKS(litestash_builder_new(&builder));
  WORKS(litestash_build_array(builder));
  WORKS(litestash_builder_free(builder));
  GIVES(LITESTASH_CLOSED, litestash_builder_free(builder));
  GIVES(LITESTASH_CLOSED, litestash_build_nil(builder));
  GIVES(LITESTASH_CLOSED, litestash_build_end(builder));
  GIVES(LITESTASH_CLOSED, litestash_builder_finish(builder, &buffer));
}

static int32_t close_inside(void *context, litestash_builder value)
{
  WORKS(litestash_close(*(litestash_stash *)context));
  return litestash_build_nil(value);
}

static void closing_in_odd_moments(const char *directory)
{
  litestash_stash stash;
  litestash_iterator iterator;
  litestash_item item;
  litestash_buffer buffer;

  /* Inside a callback of the stash's own. */
  WORKS(litestash_open(directory, NULL, &stash));
  set(stash, "kept", "1");
  GIVES(LITESTASH_CLOSED,
        litestash_get_or_set(stash, litestash_key_integer(9), NULL, close_inside, &stash, &buffer));
  GIVES(LITESTASH_CLOSED, litestash_check(stash));

  /* With an iterator open. */
  WORKS(litestash_open(directory, NULL, &stash));
  WORKS(litestash_keys(stash, NULL, &iterator));
  WORKS(litestash_close(stash));
  GIVES(LITESTASH_CLOSED, litestash_next(iterator, &item));
  WORKS(litestash_iterator_free(iterator));
}

int main(int argc, char **argv)
{
  const uint64_t foreign[] = {0, 1, 42, (uint64_t)1 << 20, UINT64_MAX, 0xdeadbeefdeadbeefu};
  litestash_stash stash, none;
  size_t index;

  CHECK(argc == 2);
  for (index = 0; index < sizeof foreign / sizeof foreign[0]; index++) {
    none.id = foreign[index];
    handles_that_are_none(BAD, none);
  }
  WORKS(litestash_open_memory(NULL, &stash));
  none.id = stash.id + ((uint64_t)1 << 24);
  handles_that_are_none(BAD, none);
  null_everywhere(stash);
  sealed_rows();
  impossible_lengths(stash);
  what_means_nothing(stash);
  readers_never_leave_their_bytes();
  iterators_and_builders_that_are_none(stash);
  WORKS(litestash_check(stash));
  WORKS(litestash_close(stash));
  handles_that_are_none(LITESTASH_CLOSED, stash);
  closing_in_odd_moments(argv[1]);
  return 0;
}
