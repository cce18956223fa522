/* A panic in any function becomes LITESTASH_INTERNAL and leaves everything usable. For a library that was built with the
 * feature `testing`. */
#include "check.h"

#ifdef __cplusplus
extern "C"
#endif
  void litestash_testing_panic(void);

#define PANICS(call) (litestash_testing_panic(), GIVES(LITESTASH_INTERNAL, call), panics++)

static int32_t compute_with_panic(void *context, litestash_builder value)
{
  litestash_testing_panic();
  (void)context;
  /* Inside of a call: this one fails, the one around it goes on. */
  GIVES(LITESTASH_INTERNAL, litestash_build_nil(value));
  return litestash_build_nil(value);
}

static bool look(void *context, const uint8_t *value, size_t length)
{
  (void)context;
  (void)value;
  return length == 1;
}

static void hear(void *context, const litestash_event *event)
{
  (void)context;
  (void)event;
}

int main(int argc, char **argv)
{
  litestash_key key = litestash_key_integer(1);
  litestash_options options;
  litestash_stash stash, other;
  litestash_subscription subscription;
  litestash_verdict verdict;
  litestash_iterator iterator;
  litestash_builder builder;
  litestash_item item;
  litestash_op operation;
  litestash_answer answer;
  litestash_buffer buffer;
  litestash_entry entry;
  litestash_lifetime lifetime;
  litestash_place place;
  litestash_record record;
  litestash_sealed_row row;
  litestash_bytes value = {(const uint8_t *)"\1", 1};
  litestash_reader reader = litestash_reader_of(value.data, value.length), found;
  const char *text;
  const uint8_t *bytes;
  uint8_t byte = 1;
  size_t length;
  uint64_t natural;
  uint32_t number;
  int64_t integer;
  double real;
  float single;
  bool flag;
  int panics = 0;

  CHECK(argc == 2);
  memset(&operation, 0, sizeof operation);
  memset(&row, 0, sizeof row);
  operation.key = key;
  operation.kind = LITESTASH_OP_GET;
  PANICS(litestash_options_init(&options, sizeof options));
  PANICS(litestash_open(argv[1], NULL, &stash));
  PANICS(litestash_open_memory(NULL, &stash));
  WORKS(litestash_open(argv[1], NULL, &stash));
  WORKS(litestash_keys(stash, NULL, &iterator));
  WORKS(litestash_builder_new(&builder));

  PANICS(litestash_with_durability(stash, 0, &other));
  PANICS(litestash_release(stash));
  PANICS(litestash_check(stash));
  PANICS(litestash_path(stash, &buffer));
  PANICS(litestash_is_read_only(stash, &flag));
  PANICS(litestash_get(stash, key, &buffer));
  PANICS(litestash_get_into(stash, key, &byte, 1, &length));
  PANICS(litestash_peek_into(stash, key, &byte, 1, &length, &number));
  PANICS(litestash_exists(stash, key, &flag));
  PANICS(litestash_get_entry(stash, key, &entry));
  PANICS(litestash_set(stash, key, &byte, 1, NULL, NULL));
  PANICS(litestash_add(stash, key, &byte, 1, NULL));
  PANICS(litestash_replace(stash, key, &byte, 1, NULL));
  PANICS(litestash_delete(stash, key, NULL));
  PANICS(litestash_take(stash, key, &buffer));
  PANICS(litestash_increment(stash, key, 1, NULL));
  PANICS(litestash_increment_float(stash, key, 1, &real));
  PANICS(litestash_compare_and_set(stash, key, NULL, 0, &byte, 1, NULL));
  PANICS(litestash_get_or_set(stash, key, NULL, compute_with_panic, NULL, &buffer));
  PANICS(litestash_get_or_set_with(stash, key, NULL, compute_with_panic, NULL, &buffer));
  PANICS(litestash_ttl(stash, key, &lifetime));
  PANICS(litestash_expires_at(stash, key, &lifetime));
  PANICS(litestash_expire(stash, key, litestash_deadline_in(1), NULL));
  PANICS(litestash_persist(stash, key, NULL));
  PANICS(litestash_touch(stash, key, NULL));
  PANICS(litestash_sweep(stash, NULL));
  PANICS(litestash_expire_older_than(stash, 1, NULL, 0, NULL));
  PANICS(litestash_expiry_stats(stash, &buffer));
  PANICS(litestash_transaction(stash, &operation, 1, NULL, &verdict));
  PANICS(litestash_bucket(stash, "b", 1, NULL, &other));
  PANICS(litestash_is_bucket(stash, &flag));
  PANICS(litestash_buckets(stash, &buffer));
  PANICS(litestash_drop_bucket(stash, "b", 1, NULL));
  PANICS(litestash_is_encrypted(stash, &flag));
  PANICS(litestash_rotate_key(stash, NULL, NULL, NULL));
  PANICS(litestash_change_key(stash, &byte, 1));
  PANICS(litestash_change_passphrase(stash, "p", 1));
  PANICS(litestash_subscribe(stash, NULL, hear, NULL, &subscription));
  WORKS(litestash_subscribe(stash, NULL, hear, NULL, &subscription));
  PANICS(litestash_subscription_dropped(subscription, &natural));
  PANICS(litestash_unsubscribe(subscription));
  WORKS(litestash_unsubscribe(subscription));
  PANICS(litestash_log_changes(stash, 1));
  PANICS(litestash_wait_for(stash, key, 1, look, NULL, &flag));
  PANICS(litestash_apply(stash, &operation, 1, &answer));
  PANICS(litestash_get_many(stash, &key, 1, &buffer));
  PANICS(litestash_set_many(stash, &key, &value, 1, NULL));
  PANICS(litestash_delete_many(stash, &key, 1, NULL));
  PANICS(litestash_length(stash, &natural));
  PANICS(litestash_clear(stash));
  PANICS(litestash_keys(stash, NULL, &iterator));
  PANICS(litestash_items(stash, NULL, &iterator));
  PANICS(litestash_next(iterator, &item));
  PANICS(litestash_iterator_cursor(iterator, &buffer));
  PANICS(litestash_iterator_free(iterator));
  PANICS(litestash_stats(stash, &buffer));
  PANICS(litestash_verify(stash, &buffer));
  PANICS(litestash_repair("none", "nowhere", &buffer));
  PANICS(litestash_repair_with("none", "nowhere", NULL, &buffer));
  PANICS(litestash_compact(stash, NULL));
  PANICS(litestash_backup(stash, "nowhere", NULL));
  PANICS(litestash_sync(stash));
  PANICS(litestash_export(stash, NULL, NULL, NULL, NULL));
  PANICS(litestash_import(stash, NULL, NULL, NULL, NULL));
  PANICS(litestash_builder_new(&builder));
  PANICS(litestash_build_nil(builder));
  PANICS(litestash_build_bool(builder, true));
  PANICS(litestash_build_integer(builder, 1));
  PANICS(litestash_build_unsigned(builder, 1));
  PANICS(litestash_build_float(builder, 1));
  PANICS(litestash_build_text(builder, "", 0));
  PANICS(litestash_build_bytes(builder, NULL, 0));
  PANICS(litestash_build_timestamp(builder, 0, 0));
  PANICS(litestash_build_vector(builder, NULL, 0));
  PANICS(litestash_build_encoded(builder, &byte, 1));
  PANICS(litestash_build_json(builder, "1", 1));
  PANICS(litestash_build_array(builder));
  PANICS(litestash_build_map(builder));
  PANICS(litestash_build_key(builder, "", 0));
  PANICS(litestash_build_end(builder));
  PANICS(litestash_builder_finish(builder, &buffer));
  PANICS(litestash_builder_free(builder));
  PANICS(litestash_read_type(&reader, &number));
  PANICS(litestash_read_nil(&reader));
  PANICS(litestash_read_bool(&reader, &flag));
  PANICS(litestash_read_integer(&reader, &integer));
  PANICS(litestash_read_unsigned(&reader, &natural));
  PANICS(litestash_read_float(&reader, &real));
  PANICS(litestash_read_text(&reader, &text, &length));
  PANICS(litestash_read_bytes(&reader, &bytes, &length));
  PANICS(litestash_read_array(&reader, &length));
  PANICS(litestash_read_map(&reader, &length));
  PANICS(litestash_read_timestamp(&reader, &integer, &number));
  PANICS(litestash_read_vector(&reader, &single, 1, &length));
  PANICS(litestash_read_value(&reader, NULL));
  PANICS(litestash_read_member(&reader, "", 0, &found));
  PANICS(litestash_value_from_json("1", 1, &buffer));
  PANICS(litestash_value_to_json(&byte, 1, &buffer));
  PANICS(litestash_value_check(&byte, 1));
  PANICS(litestash_key_from_json("1", 1, &key, &buffer));
  PANICS(litestash_key_to_json(key, &buffer));
  PANICS(litestash_key_place(key, &place));
  PANICS(litestash_record_read(place.hash, 0, 0, &byte, 1, &record));
  PANICS(litestash_sealed_read(&row, &byte, 1, NULL, &key, &buffer, &record));
  PANICS(litestash_crc32(&byte, 1, &number));
  PANICS(litestash_close(stash));

  WORKS(litestash_get_or_set(stash, key, NULL, compute_with_panic, NULL, &buffer));
  CHECK(holds(&buffer, "null"));
  WORKS(litestash_iterator_free(iterator));
  WORKS(litestash_builder_free(builder));
  WORKS(litestash_close(stash));
  /* How many functions there are: the step that runs this compares it with the header. */
  printf("%d\n", panics);
  return 0;
}
