"""Operation scripts by topic. The order here is the number in a script's name: add new ones at the end of a group."""

from cases.scripts import (
    basics, batches, buckets, conditions, deadlines, encryption, errors, limits, numbers, sizes, time, transactions, watched, whole,
)  # fmt: skip

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

ENCRYPTION = [
    encryption.encrypted_rows, encryption.encrypted_deadlines, encryption.encrypted_operations, encryption.encrypted_sizes,
    encryption.wrong_key, encryption.no_key, encryption.rotated, encryption.compressed, encryption.compressed_and_encrypted,
    encryption.encrypted_buckets,
]  # fmt: skip

DEADLINES = [
    deadlines.sliding, deadlines.sliding_uses, deadlines.sliding_kept, deadlines.sliding_bounds, deadlines.touch, deadlines.sweep,
    deadlines.default_ttl, deadlines.never, deadlines.expire_older_than, deadlines.deadlines_mixed,
]  # fmt: skip

LIMITS = [limits.counted, limits.reached, limits.expired_rows_count, limits.limited_batches, limits.counted_and_encrypted]

BUCKETS = [
    buckets.buckets, buckets.bucket_names, buckets.bucket_drops, buckets.bucket_operations, buckets.bucket_errors,
]  # fmt: skip

WATCHED = [watched.changes, watched.changes_trimmed, watched.watch_ended]

TRANSACTIONS = [
    transactions.transaction, transactions.transaction_refused, transactions.transaction_conditions, transactions.transaction_one_shard,
    transactions.transaction_mixed, transactions.encrypted_transaction, transactions.encrypted_transaction_steps,
    transactions.encrypted_transaction_refused, transactions.encrypted_transaction_deadlines, transactions.encrypted_transaction_buckets,
    transactions.encrypted_transaction_limited, transactions.compressed_transaction, transactions.transaction_buckets,
]  # fmt: skip

# The number of the first of each group.
GROUPS = [(1, TOPICS), (60, ENCRYPTION), (70, DEADLINES), (80, LIMITS), (90, BUCKETS), (95, WATCHED), (100, TRANSACTIONS)]


def all_scripts() -> list[dict]:
    result = []
    for first, topics in GROUPS:
        for number, topic in enumerate(topics, first):
            script = topic()
            result.append(script.finish(f"{number:03}_{topic.__name__}", topic.__doc__))
    return result
