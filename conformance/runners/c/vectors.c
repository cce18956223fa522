/* `vectors FILE`: what the contract's functions say to each case. */
#include "runner.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The members of the case at hand. */
static json_member *members;
static size_t member_count;

static json member(const char *name)
{
  json found = json_take(members, member_count, name);
  if (found.text == NULL) {
    stop(2, "a case lacks a member");
  }
  return found;
}

static char *text_member(const char *name, size_t *length)
{
  char *text = json_text(member(name), length);
  if (text == NULL) {
    stop(2, "a member is no text");
  }
  return text;
}

static unsigned digit(char c)
{
  const char *digits = "0123456789abcdef", *found = strchr(digits, c);
  if (c == 0 || found == NULL) {
    stop(2, "a member is not hexadecimal");
  }
  return (unsigned)(found - digits);
}

/* The bytes of a hexadecimal member, in memory to be freed. */
static uint8_t *bytes_member(const char *name, size_t *length)
{
  size_t digits, index;
  char *text = text_member(name, &digits);
  uint8_t *bytes = malloc(digits / 2 + 1);
  if (bytes == NULL || digits % 2 != 0) {
    stop(2, "a member has half a byte");
  }
  for (index = 0; index < digits / 2; index++) {
    bytes[index] = (uint8_t)(digit(text[2 * index]) << 4 | digit(text[2 * index + 1]));
  }
  free(text);
  *length = digits / 2;
  return bytes;
}

static void print_hex(const uint8_t *bytes, size_t length)
{
  size_t index;
  putchar('"');
  for (index = 0; index < length; index++) {
    printf("%02x", bytes[index]);
  }
  putchar('"');
}

static litestash_status key_case(void)
{
  static const char *const storage[] = {"", "text", "blob", "integer", "real"};
  size_t length, ignored;
  char *type = text_member("type", &ignored);
  litestash_key key = litestash_key_integer(0);
  litestash_place place;
  litestash_status status = LITESTASH_OK;
  void *memory = NULL;
  if (strcmp(type, "text") == 0) {
    memory = bytes_member("input", &length);
    key = litestash_key_text(memory, length);
  } else if (strcmp(type, "bytes") == 0) {
    memory = bytes_member("input", &length);
    key = litestash_key_bytes(memory, length);
  } else if (strcmp(type, "float") == 0) {
    uint64_t bits;
    double number;
    memory = text_member("input", &length);
    bits = strtoull(memory, NULL, 16);
    memcpy(&number, &bits, sizeof number);
    key = litestash_key_float(number);
  } else {
    memory = text_member("input", &length);
    errno = 0;
    key = litestash_key_integer(strtoll(memory, NULL, 10));
    /* What C's own type cannot hold never reaches the library. */
    status = errno == ERANGE ? LITESTASH_INVALID_KEY : LITESTASH_OK;
  }
  if (status == LITESTASH_OK && (status = litestash_key_place(key, &place)) == LITESTASH_OK) {
    printf("{\"key\":");
    print_key(key);
    printf(",\"storage\":\"%s\",\"hash\":", storage[place.kind]);
    print_hex(place.hash, sizeof place.hash);
    printf(",\"shard\":%d,\"slot\":%d}", place.shard, place.slot);
  }
  free(memory);
  free(type);
  return status;
}

/* Prints the value of the hexadecimal member `encoded` after `before`. */
static litestash_status decoded(const char *before)
{
  size_t length;
  uint8_t *bytes = bytes_member("encoded", &length);
  litestash_buffer text;
  litestash_status status = litestash_value_to_json(bytes, length, &text);
  if (status == LITESTASH_OK) {
    printf("%s\"value\":%s}", before, (const char *)text.data);
    litestash_buffer_free(&text);
  }
  free(bytes);
  return status;
}

static litestash_status valid_value_case(void)
{
  json value = member("value");
  litestash_buffer encoded;
  litestash_status status = litestash_value_from_json(value.text, value.length, &encoded);
  if (status == LITESTASH_OK) {
    printf("{\"encoded\":");
    print_hex(encoded.data, encoded.length);
    litestash_buffer_free(&encoded);
    if (decoded(",") != LITESTASH_OK) {
      /* The answer is begun: what stands there now is no JSON and will be noticed. */
      printf("%s}", litestash_error_message());
    }
  }
  return status;
}

static litestash_status invalid_value_case(void)
{
  return decoded("{");
}

static litestash_status crc_case(void)
{
  size_t length;
  uint8_t *bytes = bytes_member("data", &length);
  uint32_t crc;
  litestash_status status = litestash_crc32(bytes, length, &crc);
  if (status == LITESTASH_OK) {
    printf("{\"crc\":\"%08" PRIx32 "\"}", crc);
  }
  free(bytes);
  return status;
}

/* Prints what a record holds, the rest of an object, and gives it back. */
static void print_record(litestash_record *record)
{
  printf("\"flags\":%" PRIu32 ",\"expires_at\":", record->flags);
  if (record->has_deadline) {
    printf("%" PRId64, record->expires_at);
  } else {
    printf("null");
  }
  if (record->idle_us != 0) {
    printf(",\"idle_us\":%" PRIu64, record->idle_us);
  } else {
    printf(",\"idle_us\":null");
  }
  printf(",\"body\":");
  print_hex(record->body, record->body_length);
  putchar('}');
  litestash_buffer_free(&record->memory);
}

static int64_t integer_member(const char *name)
{
  int64_t integer;
  if (!json_integer(member(name), &integer)) {
    stop(2, "a member is no integer");
  }
  return integer;
}

/* The column key_hash of the row in the case, in memory to be freed. */
static uint8_t *hash_member(void)
{
  size_t length;
  uint8_t *hash = bytes_member("key_hash", &length);
  if (length != 64) {
    stop(2, "a key_hash has 64 bytes");
  }
  return hash;
}

static litestash_status record_case(void)
{
  size_t length;
  uint8_t *hash = hash_member(), *stored = bytes_member("record", &length);
  litestash_record record;
  litestash_status status = litestash_record_read(hash, integer_member("timestamp"), integer_member("microsecond"),
                                                  stored, length, &record);
  if (status == LITESTASH_OK) {
    putchar('{');
    print_record(&record);
  }
  free(hash);
  free(stored);
  return status;
}

static litestash_status sealed_case(void)
{
  uint8_t *hash = hash_member(), *keyring, *encryption_key, *column, *stored;
  size_t keyring_length;
  char *bucket;
  litestash_options options = litestash_options_default();
  litestash_sealed_row row;
  litestash_key key;
  litestash_buffer memory;
  litestash_record record;
  litestash_status status;

  memset(&row, 0, sizeof row);
  keyring = bytes_member("keyring", &keyring_length);
  options.encryption_key = encryption_key = bytes_member("encryption_key", &options.encryption_key_length);
  row.key_hash = hash;
  row.key.data = column = bytes_member("key_column", &row.key.length);
  row.record.data = stored = bytes_member("record", &row.record.length);
  row.timestamp = integer_member("timestamp");
  row.microsecond = integer_member("microsecond");
  row.bucket = bucket = text_member("bucket", &row.bucket_length);
  row.shard = (uint8_t)integer_member("shard");
  row.slot = (uint8_t)integer_member("slot");
  status = litestash_sealed_read(&row, keyring, keyring_length, &options, &key, &memory, &record);
  if (status == LITESTASH_OK) {
    printf("{\"key\":");
    print_key(key);
    putchar(',');
    print_record(&record);
    litestash_buffer_free(&memory);
  }
  free(hash);
  free(keyring);
  free(encryption_key);
  free(column);
  free(stored);
  free(bucket);
  return status;
}

static litestash_status interchange_case(void)
{
  size_t length;
  char *text = text_member("json", &length);
  litestash_buffer encoded;
  litestash_status status = litestash_value_from_json(text, length, &encoded);
  if (status == LITESTASH_OK) {
    printf("{\"encoded\":");
    print_hex(encoded.data, encoded.length);
    putchar('}');
    litestash_buffer_free(&encoded);
  }
  free(text);
  return status;
}

static const struct {
  const char *kind;
  litestash_status (*answer)(void);
} kinds[] = {
  {"keys", key_case},       {"values_valid", valid_value_case}, {"values_invalid", invalid_value_case},
  {"crc", crc_case},        {"records", record_case},           {"interchange", interchange_case},
  {"sealed", sealed_case},
};

bool vectors(json file)
{
  json_member *head;
  json *cases;
  size_t count, length, index, kind_index = 0;
  char *kind;
  if (!json_members(file, &head, &count) || (kind = json_text(json_take(head, count, "kind"), &length)) == NULL ||
      !json_elements(json_take(head, count, "cases"), &cases, &count)) {
    return false;
  }
  while (kind_index < sizeof kinds / sizeof kinds[0] && strcmp(kinds[kind_index].kind, kind) != 0) {
    kind_index++;
  }
  if (kind_index == sizeof kinds / sizeof kinds[0]) {
    return false;
  }
  for (index = 0; index < count; index++) {
    litestash_status status;
    json id;
    if (!json_members(cases[index], &members, &member_count)) {
      return false;
    }
    id = member("id");
    printf("{\"id\":%.*s,\"result\":", (int)id.length, id.text);
    status = kinds[kind_index].answer();
    if (status != LITESTASH_OK) {
      print_error(status);
    }
    printf("}\n");
    free(members);
  }
  free(cases);
  free(kind);
  free(head);
  return true;
}
