"""Operation scripts by topic. The order here is the number in a script's name: add new ones at the end."""

from cases.scripts import basics, batches, conditions, encryption, errors, numbers, sizes, time, whole

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

# Topics that came later, by the number of their first script.
LATER = {
    60: [
        encryption.encrypted_rows, encryption.encrypted_deadlines, encryption.encrypted_operations, encryption.encrypted_sizes,
        encryption.wrong_key, encryption.no_key, encryption.rotated, encryption.compressed, encryption.compressed_and_encrypted,
    ],
}  # fmt: skip


def all_scripts() -> list[dict]:
    result = []
    numbered = [*enumerate(TOPICS, 1), *((first + at, topic) for first, topics in LATER.items() for at, topic in enumerate(topics))]
    for number, topic in numbered:
        script = topic()
        result.append(script.finish(f"{number:03}_{topic.__name__}", topic.__doc__))
    return result
