package io.github.litestash

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable

/**
 * Figures of a stash, as of the moment each shard was read.
 *
 * @property rows rows, expired ones left out
 * @property expiredRows stored rows whose deadline has passed
 * @property keyBytes bytes of all keys
 * @property recordBytes bytes of all records: values with their headers
 * @property fileBytes bytes of the files, write-ahead logs included
 * @property limits how far the limits are used
 * @property cache the read cache of this process
 * @property expiry what this process did about deadlines
 * @property sqliteVersion the SQLite inside
 * @property format the contract's version
 * @property shards every shard that exists, in ascending order
 * @property buckets the sums of all buckets, which the other figures leave out but for those of the cache
 */
@Serializable
public data class Stats(
    val rows: Long,
    @SerialName("expired_rows") val expiredRows: Long,
    @SerialName("key_bytes") val keyBytes: Long,
    @SerialName("record_bytes") val recordBytes: Long,
    @SerialName("file_bytes") val fileBytes: Long,
    val limits: LimitStats,
    val cache: CacheStats,
    val expiry: ExpiryStats,
    @SerialName("sqlite_version") val sqliteVersion: String,
    val format: Int,
    val shards: List<ShardStats>,
    val buckets: BucketStats,
)

/** Sums over all buckets; members as in [Stats]. */
@Serializable
public data class BucketStats(
    val buckets: Long,
    val rows: Long,
    @SerialName("expired_rows") val expiredRows: Long,
    @SerialName("key_bytes") val keyBytes: Long,
    @SerialName("record_bytes") val recordBytes: Long,
    @SerialName("file_bytes") val fileBytes: Long,
)

/**
 * Figures of one shard.
 *
 * @property shard the shard's number, 0 to 15
 * @property fileBytes bytes of the file
 * @property walBytes bytes of its write-ahead log
 * @property countedRows stored rows as the shard counts them, where a stash with limits has written
 * @property countedBytes bytes of keys and records as the shard counts them
 * @property freeBytes bytes in pages that hold nothing, which a compaction gives back
 * @property slots the tables
 */
@Serializable
public data class ShardStats(
    val shard: Int,
    @SerialName("file_bytes") val fileBytes: Long,
    @SerialName("wal_bytes") val walBytes: Long,
    @SerialName("counted_rows") val countedRows: Long?,
    @SerialName("counted_bytes") val countedBytes: Long?,
    @SerialName("free_bytes") val freeBytes: Long,
    val slots: List<SlotStats>,
)

/** Figures of one table; members as in [Stats]. */
@Serializable
public data class SlotStats(
    val rows: Long,
    @SerialName("expired_rows") val expiredRows: Long,
    @SerialName("key_bytes") val keyBytes: Long,
    @SerialName("record_bytes") val recordBytes: Long,
)

/**
 * Figures of the read cache.
 *
 * @property hits reads of one key that were answered from memory
 * @property misses reads of one key that had to ask SQLite
 * @property entries rows held, and keys known to be missing
 * @property bytes bytes they are counted as
 * @property bytesMax the limit of those bytes; 0 if the cache is off
 */
@Serializable
public data class CacheStats(
    val hits: Long,
    val misses: Long,
    val entries: Long,
    val bytes: Long,
    @SerialName("bytes_max") val bytesMax: Long,
)

/**
 * What was done about deadlines, by this process since it opened the stash.
 *
 * @property sweptRows expired rows that sweeps removed
 * @property sweptHints hints that sweeps removed; there may be several for a row
 * @property prolonged sliding deadlines that were prolonged after reads
 * @property clockJumps how often the wall clock was found set by more than a minute
 * @property postponed whether nothing is swept right now, because the clock was set less than a minute ago
 */
@Serializable
public data class ExpiryStats(
    @SerialName("swept_rows") val sweptRows: Long,
    @SerialName("swept_hints") val sweptHints: Long,
    val prolonged: Long,
    @SerialName("clock_jumps") val clockJumps: Long,
    val postponed: Boolean,
)

/**
 * Figures of a stash's limits.
 *
 * @property countedRows stored rows as counted, over the shards that are counted
 * @property countedBytes bytes of keys and records as counted
 * @property diskBytes bytes that the directory takes on disk
 * @property evictedRows rows that this process has evicted since it opened the stash
 */
@Serializable
public data class LimitStats(
    @SerialName("counted_rows") val countedRows: Long?,
    @SerialName("counted_bytes") val countedBytes: Long?,
    @SerialName("disk_bytes") val diskBytes: Long,
    @SerialName("evicted_rows") val evictedRows: Long,
)

/**
 * What a check found.
 *
 * @property shards shards that exist, those of buckets included
 * @property rows rows looked at
 * @property problems what is wrong
 */
@Serializable
public data class VerifyReport(val shards: Long, val rows: Long, val problems: List<Problem>) {
    /** Whether nothing is wrong. */
    val isSound: Boolean get() = problems.isEmpty()
}

/**
 * One thing that is wrong.
 *
 * @property bucket the bucket's name; null if it is about the stash itself
 * @property shard the shard's number; 255 for the journal
 * @property slot the table's number, if it is about a row or table
 * @property keyHash the row's hash in hexadecimal, if it is about a row
 * @property kind what kind: `file`, `structure`, `header`, `hash`, `routing`, `key`, `version`, `record`, `value`,
 * `expiry` or `counters`
 * @property message in words, without keys or values
 */
@Serializable
public data class Problem(
    val bucket: String?,
    val shard: Int,
    val slot: Int?,
    @SerialName("key_hash") val keyHash: String?,
    val kind: String,
    val message: String,
)

/**
 * What a repair did.
 *
 * @property shards shard files looked at
 * @property rows rows written to the new stash
 * @property lost what could not be read
 */
@Serializable
public data class RepairReport(val shards: Long, val rows: Long, val lost: List<Lost>)

/**
 * A row, a table or a shard that could not be salvaged.
 *
 * @property bucket the bucket's name; null if it was in the stash itself
 * @property shard the shard's number
 * @property slot the table's number; null if it is the whole shard
 * @property keyHash the row's hash in hexadecimal, where it is known
 * @property key the key as JSON, where it is readable and matches its hash
 * @property reason why, in words
 */
@Serializable
public data class Lost(
    val bucket: String?,
    val shard: Int,
    val slot: Int?,
    @SerialName("key_hash") val keyHash: String?,
    val key: String?,
    val reason: String,
)

/**
 * What a compaction did.
 *
 * @property pagesFreed pages given back
 * @property bytesFreed bytes given back
 * @property shardsBusy shards whose write-ahead log others kept from being emptied
 */
@Serializable
public data class CompactReport(
    @SerialName("pages_freed") val pagesFreed: Long,
    @SerialName("bytes_freed") val bytesFreed: Long,
    @SerialName("shards_busy") val shardsBusy: Long,
)

/**
 * What a backup wrote.
 *
 * @property shards shard files
 * @property bytes their bytes
 */
@Serializable
public data class BackupReport(val shards: Long, val bytes: Long)

/**
 * What an export did.
 *
 * @property rows rows written
 * @property bytes bytes written
 */
@Serializable
public data class ExportReport(val rows: Long, val bytes: Long)

/**
 * What an import did.
 *
 * @property lines lines read, blank ones included
 * @property bytes bytes read
 * @property rows rows written
 * @property older rows left alone because the stash has the same or a newer version
 * @property rejectedLines lines that were no row
 * @property rejected the first thousand of them
 */
@Serializable
public data class ImportReport(
    val lines: Long,
    val bytes: Long,
    val rows: Long,
    val older: Long,
    @SerialName("rejected_lines") val rejectedLines: Long,
    val rejected: List<Rejected>,
)

/**
 * A line that was no row.
 *
 * @property line its number, the first line being 1
 * @property error the error's name
 * @property message what is wrong, in words
 */
@Serializable
public data class Rejected(val line: Long, val error: String, val message: String)

/**
 * What a sweep did.
 *
 * @property rows expired rows removed
 * @property hints hints removed; there may be several for a row
 * @property unreadable rows that may have expired but cannot be read, and were left alone
 * @property postponed whether nothing was removed, because the wall clock was set less than a minute ago
 */
@Serializable
public data class SweepReport(val rows: Long, val hints: Long, val unreadable: Long, val postponed: Boolean)
