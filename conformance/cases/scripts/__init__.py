"""Operation scripts by topic. The order here is the number in a script's name: add new ones at the end."""

from cases.scripts import basics, batches, conditions, errors, limits, numbers, sizes, time, whole

TOPICS = [
    basics.overwrite, basics.delete, basics.take, basics.entry, basics.value_types, basics.key_types, basics.number_keys,
    basics.nil_and_miss, basics.empty_keys, basics.unicode, basics.reopen, basics.missing_shards,
    sizes.key_sizes, sizes.text_sizes, sizes.bytes_sizes, sizes.sixty_four_kib, sizes.vectors, sizes.page_overflow, sizes.forty_kilobytes,
    sizes.growing, sizes.containers,
    conditions.conditional_set, conditions.add_replace, conditions.compare_and_set, conditions.compare_kinds,
    numbers.increment, numbers.increment_limits, numbers.increment_float, numbers.increment_float_limits, numbers.increment_deadline,
    time.fixed_clock, time.clock_back, time.before_1970, time.ttl, time.deadline_reached, time.expired_overwrite, time.expired_delete,
    time.expire, time.persist, time.keep_ttl, time.deadline_bounds, time.hints,
    whole.order, whole.prefix, whole.limit, whole.expired_listing, whole.clear, whole.many_rows, whole.all_tables,
    batches.many, batches.repeated_keys, batches.apply, batches.apply_errors, batches.apply_every_operation,
    errors.bad_keys, errors.bad_values, errors.bad_arguments, errors.batch_errors,
    whole.mixed,
]  # fmt: skip


# Blocks of numbers, so that one can grow without moving another.
BLOCKS = {
    80: [limits.counted, limits.reached, limits.expired_rows_count, limits.limited_batches],
}


def all_scripts() -> list[dict]:
    result = []
    numbered = list(enumerate(TOPICS, 1))
    for first, topics in BLOCKS.items():
        numbered += enumerate(topics, first)
    for number, topic in numbered:
        script = topic()
        result.append(script.finish(f"{number:03}_{topic.__name__}", topic.__doc__))
    return result
