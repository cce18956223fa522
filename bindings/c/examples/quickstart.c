#include <litestash.h>
#include <stdio.h>

static int failed(const char *what)
{
  fprintf(stderr, "%s: %s\n", what, litestash_error_message());
  return 1;
}

int main(int argc, char **argv)
{
  const char *directory = argc > 1 ? argv[1] : "cache";
  litestash_stash stash;
  litestash_builder builder;
  litestash_buffer value;
  litestash_reader reader, member;
  litestash_iterator iterator;
  litestash_item item;
  const char *name;
  size_t length;
  int64_t visits;

  if (litestash_open(directory, NULL, &stash) != LITESTASH_OK) {
    return failed("open");
  }

  /* A value is built piece by piece; mistakes are reported at the end. */
  litestash_builder_new(&builder);
  litestash_build_map(builder);
  litestash_build_key(builder, "name", 4);
  litestash_build_text(builder, "Ada", 3);
  litestash_build_key(builder, "age", 3);
  litestash_build_integer(builder, 36);
  litestash_build_end(builder);
  if (litestash_builder_finish(builder, &value) != LITESTASH_OK) {
    return failed("build");
  }
  litestash_builder_free(builder);

  /* It stays for an hour. */
  litestash_set_options hour = litestash_set_options_ttl(3600 * INT64_C(1000000));
  if (litestash_set(stash, litestash_key_string("user:1001"), value.data, value.length, &hour, NULL) != LITESTASH_OK) {
    return failed("set");
  }
  litestash_buffer_free(&value);

  /* A miss is no error: it has no bytes. */
  if (litestash_get(stash, litestash_key_string("user:1001"), &value) != LITESTASH_OK) {
    return failed("get");
  }
  if (value.data != NULL) {
    reader = litestash_reader_of(value.data, value.length);
    if (litestash_read_member(&reader, "name", 4, &member) == LITESTASH_OK &&
        litestash_read_text(&member, &name, &length) == LITESTASH_OK) {
      printf("hello %.*s\n", (int)length, name);
    }
    litestash_buffer_free(&value);
  }

  if (litestash_increment(stash, litestash_key_string("visits"), 1, &visits) != LITESTASH_OK) {
    return failed("increment");
  }
  printf("visit %lld\n", (long long)visits);

  if (litestash_items(stash, NULL, &iterator) != LITESTASH_OK) {
    return failed("items");
  }
  while (litestash_next(iterator, &item) == LITESTASH_OK && item.present) {
    litestash_buffer json;
    if (litestash_value_to_json(item.value, item.value_length, &json) == LITESTASH_OK) {
      printf("%.*s = %s\n", (int)item.key.length, (const char *)item.key.content.data, (const char *)json.data);
      litestash_buffer_free(&json);
    }
  }
  litestash_iterator_free(iterator);

  if (litestash_close(stash) != LITESTASH_OK) {
    return failed("close");
  }
  return 0;
}
