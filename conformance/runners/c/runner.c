/* The runner of the conformance suite for C; conformance/PROTOCOL.md says what it does. */
#include "runner.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USAGE "usage: runner script FILE DIR | vectors FILE | dump DIR [KEY] | serve"

void stop(int code, const char *what)
{
  fflush(stdout);
  fprintf(stderr, "%s\n", what);
  exit(code);
}

void print_value(const uint8_t *data, size_t length)
{
  litestash_buffer text;
  if (litestash_value_to_json(data, length, &text) != LITESTASH_OK) {
    stop(1, litestash_error_message());
  }
  fwrite(text.data, 1, text.length, stdout);
  litestash_buffer_free(&text);
}

void print_key(litestash_key key)
{
  litestash_buffer text;
  if (litestash_key_to_json(key, &text) != LITESTASH_OK) {
    stop(1, litestash_error_message());
  }
  fwrite(text.data, 1, text.length, stdout);
  litestash_buffer_free(&text);
}

void print_error(litestash_status status)
{
  printf("{\"error\":\"%s\"}", litestash_status_name(status));
}

static json read_file(const char *path)
{
  FILE *file = fopen(path, "rb");
  char *text = NULL;
  size_t length = 0, room = 0;
  json whole;
  if (file == NULL) {
    stop(2, "the file cannot be opened");
  }
  for (;;) {
    if (length == room) {
      room = room == 0 ? 1 << 16 : 2 * room;
      text = realloc(text, room);
      if (text == NULL) {
        stop(1, "out of memory");
      }
    }
    size_t read = fread(text + length, 1, room - length, file);
    if (read == 0) {
      break;
    }
    length += read;
  }
  if (ferror(file)) {
    stop(2, "the file cannot be read");
  }
  fclose(file);
  whole.text = text;
  whole.length = length;
  return whole;
}

/* The n-th draw of a run is zeros that end in n. */
static int32_t count_draws(void *context, uint8_t *bytes, size_t length)
{
  uint64_t draw = ++*(uint64_t *)context;
  memset(bytes, 0, length);
  for (; length > 0 && draw > 0; draw >>= 8) {
    bytes[--length] = (uint8_t)draw;
  }
  return 0;
}

static uint64_t draws;

/* The key of an encrypted stash, in memory that stays. */
static bool take_key(const char *digits, litestash_options *options)
{
  const size_t length = strlen(digits);
  uint8_t *key = malloc(length / 2 + 1);
  size_t index;
  if (key == NULL || length % 2 != 0) {
    return false;
  }
  for (index = 0; index < length / 2; index++) {
    unsigned byte;
    if (sscanf(digits + 2 * index, "%2x", &byte) != 1) {
      return false;
    }
    key[index] = (uint8_t)byte;
  }
  options->encryption_key = key;
  options->encryption_key_length = length / 2;
  options->random = count_draws;
  options->random_context = &draws;
  return true;
}

static int64_t clock_us(void *context)
{
  return *(int64_t *)context;
}

static litestash_options options_with(int64_t *clock)
{
  litestash_options options = litestash_options_default();
  options.clock = clock_us;
  options.clock_context = clock;
  options.background = 0;
  options.origin = 1;
  return options;
}

static litestash_stash opened(const char *directory, const litestash_options *options)
{
  litestash_stash stash;
  if (litestash_open(directory, options, &stash) != LITESTASH_OK) {
    stop(1, litestash_error_message());
  }
  return stash;
}

static void closed(litestash_stash stash)
{
  if (litestash_close(stash) != LITESTASH_OK) {
    stop(1, litestash_error_message());
  }
}

/* Opens the directory a second time, read-only, and closes it; false if the operation is another one. */
static bool try_open(json object, const char *directory, int64_t *clock)
{
  litestash_options options = options_with(clock);
  json_member *members;
  size_t count, length;
  char *name = NULL, *digits = NULL;
  json key;
  litestash_stash stash;
  litestash_status status = LITESTASH_INVALID_ARGUMENT;
  bool tries = false;
  if (json_members(object, &members, &count)) {
    name = json_text(json_take(members, count, "op"), &length);
    tries = name != NULL && strcmp(name, "try_open") == 0;
    key = json_take(members, count, "encryption_key");
    options.read_only = 1;
    if (tries && (key.text == NULL || ((digits = json_text(key, &length)) != NULL && take_key(digits, &options)))) {
      status = litestash_open(directory, &options, &stash);
      if (status == LITESTASH_OK) {
        status = litestash_close(stash);
      }
    }
  }
  free(name);
  free(digits);
  free(members);
  if (tries && status == LITESTASH_OK) {
    printf("null");
  } else if (tries) {
    print_error(status);
  }
  return tries;
}

/* Does what belongs to scripts only; false if the operation is another one. */
static bool of_script(json object, int64_t *clock, bool *reopens)
{
  json_member *members;
  size_t count, length;
  int64_t us = 0;
  char *name = NULL;
  bool ticks = false;
  *reopens = false;
  if (json_members(object, &members, &count)) {
    name = json_text(json_take(members, count, "op"), &length);
    ticks = name != NULL && strcmp(name, "tick") == 0;
    *reopens = name != NULL && strcmp(name, "reopen") == 0;
    if (ticks && !json_integer(json_take(members, count, "us"), &us)) {
      stop(1, "tick without us");
    }
  }
  *clock += us;
  free(name);
  free(members);
  return ticks || *reopens;
}

static bool take_compression(json given, litestash_options *options)
{
  json_member *members;
  size_t count;
  int64_t bytes, level;
  bool good;
  if (!json_members(given, &members, &count)) {
    return false;
  }
  good = count == 2 && json_integer(json_take(members, count, "min_bytes"), &bytes) &&
         json_integer(json_take(members, count, "level"), &level);
  free(members);
  if (good) {
    options->compression_min_bytes = (uint64_t)bytes;
    options->compression_level = (uint32_t)level;
  }
  return good;
}

/* What a script says about opening; false if that is something unknown. */
static bool options_of_script(json given, litestash_options *options)
{
  json_member *members, *limits;
  size_t count, limit_count, length;
  int64_t us = 0, rows = 0;
  json ttl, limit, eviction, key, compression;
  char *word;
  bool good;
  if (given.text == NULL) {
    return true;
  }
  if (!json_members(given, &members, &count)) {
    return false;
  }
  ttl = json_take(members, count, "default_ttl_us");
  limit = json_take(members, count, "limits");
  key = json_take(members, count, "encryption_key");
  compression = json_take(members, count, "compression");
  good = (ttl.text == NULL || json_integer(ttl, &us)) && us >= 0 &&
         count == (size_t)((ttl.text != NULL) + (limit.text != NULL) + (key.text != NULL) +
                           (compression.text != NULL));
  options->default_ttl_us = (uint64_t)us;
  free(members);
  if (good && key.text != NULL) {
    word = json_text(key, &length);
    good = word != NULL && take_key(word, options);
    free(word);
  }
  good = good && (compression.text == NULL || take_compression(compression, options));
  if (!good || limit.text == NULL) {
    return good;
  }
  if (!json_members(limit, &limits, &limit_count)) {
    return false;
  }
  eviction = json_take(limits, limit_count, "eviction");
  word = eviction.text == NULL ? NULL : json_text(eviction, &length);
  good = word != NULL && strcmp(word, "none") == 0 && limit_count == 2 &&
         json_integer(json_take(limits, limit_count, "rows"), &rows) && rows > 0;
  options->rows_max = (uint64_t)rows;
  free(word);
  free(limits);
  return good;
}

static void script(const char *path, const char *directory)
{
  json file = read_file(path), *operations, given;
  json_member *members;
  litestash_options options;
  litestash_stash stash;
  int64_t clock;
  size_t count, index;
  if (!json_members(file, &members, &count)) {
    stop(2, "the file is no script");
  }
  given = json_take(members, count, "options");
  options = options_with(&clock);
  if (!options_of_script(given, &options) || !json_integer(json_take(members, count, "clock"), &clock) ||
      !json_elements(json_take(members, count, "operations"), &operations, &count)) {
    stop(2, "the file is no script");
  }
  stash = opened(directory, &options);
  for (index = 0; index < count; index++) {
    bool reopens;
    if (of_script(operations[index], &clock, &reopens)) {
      if (reopens) {
        closed(stash);
        stash = opened(directory, &options);
      }
      printf("null");
    } else if (!try_open(operations[index], directory, &clock)) {
      operation(stash, operations[index]);
    }
    putchar('\n');
  }
  closed(stash);
  free(operations);
  free(members);
  free((char *)file.text);
}

static int32_t to_stdout(void *context, const uint8_t *data, size_t length)
{
  (void)context;
  return fwrite(data, 1, length, stdout) == length ? 0 : 1;
}

static void dump(const char *directory, const char *key)
{
  int64_t clock = 0;
  litestash_options options = options_with(&clock);
  litestash_stash stash;
  litestash_status status;
  options.read_only = 1;
  if (key != NULL && !take_key(key, &options)) {
    stop(2, USAGE);
  }
  status = litestash_open(directory, &options, &stash);
  if (status == LITESTASH_NO_STASH) {
    return;
  }
  if (status != LITESTASH_OK || litestash_export(stash, NULL, to_stdout, NULL, NULL) != LITESTASH_OK) {
    stop(1, litestash_error_message());
  }
  closed(stash);
}

static void run(size_t count, char *const *words)
{
  const char *command = count > 0 ? words[0] : "";
  if (count == 3 && strcmp(command, "script") == 0) {
    script(words[1], words[2]);
  } else if (count == 2 && strcmp(command, "vectors") == 0) {
    json file = read_file(words[1]);
    if (!vectors(file)) {
      stop(2, "the file is no vector file");
    }
    free((char *)file.text);
  } else if ((count == 2 || count == 3) && strcmp(command, "dump") == 0) {
    dump(words[1], count == 3 ? words[2] : NULL);
  } else {
    stop(2, USAGE);
  }
  if (fflush(stdout) != 0) {
    stop(1, "the output cannot be written");
  }
}

/* Longer than any job. */
enum { LINE_MAX_LENGTH = 1 << 14, WORDS_MAX = 3 };

static void serve(void)
{
  static char line[LINE_MAX_LENGTH];
  while (fgets(line, sizeof line, stdin) != NULL) {
    const json job = {line, strcspn(line, "\n")};
    char *words[WORDS_MAX];
    json *elements;
    size_t count, index, length;
    if (!json_elements(job, &elements, &count) || count > WORDS_MAX) {
      stop(2, "the line is no job");
    }
    for (index = 0; index < count; index++) {
      words[index] = json_text(elements[index], &length);
      if (words[index] == NULL) {
        stop(2, "the line is no job");
      }
    }
    run(count, words);
    for (index = 0; index < count; index++) {
      free(words[index]);
    }
    free(elements);
    putchar('\n');
    fflush(stdout);
  }
}

int main(int argc, char **argv)
{
  if (argc == 2 && strcmp(argv[1], "serve") == 0) {
    serve();
  } else {
    run((size_t)argc - 1, argv + 1);
  }
  return 0;
}
