/* Making keys, deadlines, options and readers. */

/* A key of `length` bytes of UTF-8 text. */
static inline litestash_key litestash_key_text(const char *text, size_t length)
{
  litestash_key key;
  memset(&key, 0, sizeof key);
  key.content.data = text;
  key.length = length > UINT32_MAX ? UINT32_MAX : (uint32_t)length;
  key.kind = LITESTASH_KEY_TEXT;
  return key;
}

/* A key of text that ends with a zero byte. */
static inline litestash_key litestash_key_string(const char *text)
{
  return litestash_key_text(text, text == NULL ? 0 : strlen(text));
}

/* A key of bytes. */
static inline litestash_key litestash_key_bytes(const void *data, size_t length)
{
  litestash_key key = litestash_key_text((const char *)data, length);
  key.kind = LITESTASH_KEY_BYTES;
  return key;
}

/* An integer key. */
static inline litestash_key litestash_key_integer(int64_t integer)
{
  litestash_key key;
  memset(&key, 0, sizeof key);
  key.content.integer = integer;
  key.kind = LITESTASH_KEY_INTEGER;
  return key;
}

/* A float key; an integral one is the integer key. */
static inline litestash_key litestash_key_float(double number)
{
  litestash_key key;
  memset(&key, 0, sizeof key);
  key.content.number = number;
  key.kind = LITESTASH_KEY_FLOAT;
  return key;
}

/* That many microseconds after the write. */
static inline litestash_deadline litestash_deadline_in(int64_t microseconds)
{
  litestash_deadline deadline;
  memset(&deadline, 0, sizeof deadline);
  deadline.us = microseconds;
  deadline.kind = LITESTASH_DEADLINE_IN;
  return deadline;
}

/* At that Unix time in microseconds. */
static inline litestash_deadline litestash_deadline_at(int64_t unix_microseconds)
{
  litestash_deadline deadline = litestash_deadline_in(unix_microseconds);
  deadline.kind = LITESTASH_DEADLINE_AT;
  return deadline;
}

/* That many microseconds after each use of the row. */
static inline litestash_deadline litestash_deadline_idle(int64_t microseconds)
{
  litestash_deadline deadline = litestash_deadline_in(microseconds);
  deadline.kind = LITESTASH_DEADLINE_IDLE;
  return deadline;
}

/* Never, whatever the stash's default is. */
static inline litestash_deadline litestash_deadline_never(void)
{
  litestash_deadline deadline = litestash_deadline_in(0);
  deadline.kind = LITESTASH_DEADLINE_NEVER;
  return deadline;
}

/* The defaults of litestash_open. */
static inline litestash_options litestash_options_default(void)
{
  litestash_options options;
  memset(&options, 0, sizeof options);
  litestash_options_init(&options, sizeof options);
  return options;
}

/* The defaults of litestash_set: in any case, without a deadline. */
static inline litestash_set_options litestash_set_options_default(void)
{
  litestash_set_options options;
  memset(&options, 0, sizeof options);
  return options;
}

/* A litestash_set that ends after so many microseconds. */
static inline litestash_set_options litestash_set_options_ttl(int64_t microseconds)
{
  litestash_set_options options = litestash_set_options_default();
  options.deadline = litestash_deadline_in(microseconds);
  return options;
}

/* The defaults of litestash_get_or_set_with. */
static inline litestash_compute_options litestash_compute_options_default(void)
{
  litestash_compute_options options;
  memset(&options, 0, sizeof options);
  return options;
}

/* The defaults of litestash_bucket. */
static inline litestash_bucket_options litestash_bucket_options_default(void)
{
  litestash_bucket_options options;
  memset(&options, 0, sizeof options);
  return options;
}

/* The defaults of litestash_subscribe: every change. */
static inline litestash_filter litestash_filter_default(void)
{
  litestash_filter filter;
  memset(&filter, 0, sizeof filter);
  return filter;
}

/* The defaults of iterations: everything. */
static inline litestash_scan_options litestash_scan_options_default(void)
{
  litestash_scan_options options;
  memset(&options, 0, sizeof options);
  return options;
}

/* A reader at the start of an encoded value. */
static inline litestash_reader litestash_reader_of(const uint8_t *data, size_t length)
{
  litestash_reader reader;
  reader.data = data;
  reader.length = length;
  return reader;
}
