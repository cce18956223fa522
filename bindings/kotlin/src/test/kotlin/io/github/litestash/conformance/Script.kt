package io.github.litestash.conformance

import io.github.litestash.Compression
import io.github.litestash.Condition
import io.github.litestash.Deadline
import io.github.litestash.Eviction
import io.github.litestash.Item
import io.github.litestash.Key
import io.github.litestash.Limits
import io.github.litestash.LiteStash
import io.github.litestash.LiteStashException
import io.github.litestash.OpenOptions
import io.github.litestash.Operation
import io.github.litestash.Outcome
import io.github.litestash.ScanOptions
import io.github.litestash.SetOptions
import io.github.litestash.Testing
import io.github.litestash.TransactionResult
import io.github.litestash.Value
import io.github.litestash.internal.Reader
import io.github.litestash.internal.utf8OrNull
import io.github.litestash.readKey
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import java.util.HexFormat

internal fun valueOf(json: JsonElement): Value {
    val text = utf8OrNull(json.toString()) ?: throw LiteStashException.InvalidValue("a lone surrogate")
    return Value.decode(Testing.valueFromJson(text))
}

internal fun keyOf(json: JsonElement): Key {
    val text = utf8OrNull(json.toString()) ?: throw LiteStashException.InvalidKey("a lone surrogate")
    return readKey(Reader(Testing.keyFromJson(text)))
}

/** JSON of a value, through the artifact's own encoding. */
internal fun jsonOf(value: Value): String = String(Testing.valueToJson(value.encoded()), Charsets.UTF_8)

internal fun jsonOf(key: Key): String = jsonOf(
    when (key) {
        is Key.Text -> Value.Text(key.value)
        is Key.Int -> Value.Int(key.value)
        is Key.Float -> Value.Float(key.value)
        is Key.Bytes -> Value.Bytes(key.value)
    },
)

internal fun refusal(error: LiteStashException): String = """{"error":"${error.kind}"}"""

private fun found(value: Value?): String = value?.let { """{"value":${jsonOf(it)}}""" } ?: "null"

private fun list(results: Iterable<Any?>): String = results.joinToString(",", "[", "]")

private fun invalid(why: String) = LiteStashException.InvalidArgument(why)

/** The result of an operation, or its refusal. */
private inline fun answer(result: () -> String): String = try {
    result()
} catch (refused: LiteStashException) {
    refusal(refused)
}

/** Runs a script on a new stash, and prints the result of each operation. */
internal class Script(private val script: JsonObject, private val directory: String, private val print: (String) -> Unit) {
    private var clock = script.getValue("clock").long()
    private var stash = open()

    private fun open(): LiteStash {
        val given = script["options"]?.jsonObject
        val options = OpenOptions().apply {
            clockMicros = clock
            background = false
            defaultTtlMicros = given?.get("default_ttl_us")?.long()
            encryptionKey = given?.get("encryption_key")?.jsonPrimitive?.content?.let(HexFormat.of()::parseHex)
            countedRandom = true
            compression = given?.get("compression")?.jsonObject?.let { how ->
                Compression(how["min_bytes"]?.long(), how["level"]?.long()?.toInt())
            }
            limits = given?.get("limits")?.jsonObject?.let { limits ->
                val eviction = limits["eviction"]?.jsonPrimitive?.content ?: "none"
                Limits(rows = limits["rows"]?.long(), eviction = Eviction.valueOf(eviction.uppercase()))
            }
        }
        return LiteStash.open(directory, options)
    }

    fun run() {
        for (operation in script.getValue("operations").jsonArray) {
            val given = operation.jsonObject
            print(answer { whole(given.getValue("op").jsonPrimitive.content, given) })
        }
        stash.close()
    }

    private fun whole(name: String, given: JsonObject): String {
        when (name) {
            "tick" -> {
                clock += given.getValue("us").long()
                Testing.advance(stash.handle.address, given.getValue("us").long())
                return "null"
            }
            "reopen" -> {
                stash.close()
                stash = open()
                return "null"
            }
            "rotate_key" -> return stash.rotateKey().resealed.toString()
            "try_open" -> {
                val options = OpenOptions().apply {
                    readOnly = true
                    create = false
                    background = false
                    encryptionKey = given["encryption_key"]?.jsonPrimitive?.content?.let(HexFormat.of()::parseHex)
                }
                LiteStash.open(directory, options).close()
                return "null"
            }
            "buckets" -> return list(stash.buckets().map { jsonOf(Value.Text(it)) })
            "drop_bucket" -> return stash.dropBucket(given.getValue("bucket").jsonPrimitive.content).toString()
        }
        val target = given["bucket"]?.jsonPrimitive?.content?.let(stash::bucket) ?: stash
        return several(target, name, given) ?: single(target, given)
    }

    private fun several(stash: LiteStash, name: String, given: JsonObject): String? = when (name) {
        "get_many" -> list(stash.getMany(keys(given)).map(::found))
        "set_many" -> {
            val items = given.getValue("items").jsonArray.map { pair ->
                Item(keyOf(pair.jsonArray[0]), valueOf(pair.jsonArray[1]))
            }
            list(stash.setMany(items))
        }
        "delete_many" -> list(stash.deleteMany(keys(given)))
        "apply" -> apply(stash, given)
        "transaction" -> when (val done = stash.transaction(operations(given).map { it.getOrThrow() })) {
            is TransactionResult.Refused -> """{"refused":${done.index}}"""
            is TransactionResult.Committed -> """{"committed":${list(done.outcomes.map(::shown).toList())}}"""
        }
        "keys" -> list(stash.keys(scan(given)).map(::jsonOf))
        "values" -> list(stash.values(scan(given)).map(::jsonOf))
        "items" -> list(stash.items(scan(given)).map { "[${jsonOf(it.key)},${jsonOf(it.value)}]" })
        "len" -> stash.count().toString()
        "sweep" -> stash.sweep().let { """{"rows":${it.rows},"hints":${it.hints}}""" }
        "expire_older_than" ->
            stash.expireOlderThan(given.getValue("age_us").long(), given["prefix"]?.jsonPrimitive?.content).toString()
        "clear" -> "null".also { stash.clear() }
        "watch" -> "null".also { Testing.watch(stash.handle.address, given.getValue("us").long()) }
        else -> null
    }

    private fun keys(given: JsonObject): List<Key> = given.getValue("keys").jsonArray.map(::keyOf)

    private fun scan(given: JsonObject) =
        ScanOptions(prefix = given["prefix"]?.jsonPrimitive?.content, limit = given["limit"]?.long())

    private fun operations(given: JsonObject): List<Result<Operation>> = given.getValue("operations").jsonArray.map {
        runCatching { operation(it.jsonObject) }.onFailure { thrown -> if (thrown !is LiteStashException) throw thrown }
    }

    private fun apply(stash: LiteStash, given: JsonObject): String {
        val planned = operations(given)
        val answers = stash.apply(planned.mapNotNull { it.getOrNull() }).iterator()
        return list(
            planned.map { plan ->
                plan.exceptionOrNull()?.let { refusal(it as LiteStashException) } ?: shown(answers.next())
            },
        )
    }

    /** Operations on one key are done by the function of their name, where there is one. */
    private fun single(stash: LiteStash, given: JsonObject): String {
        val key = keyOf(given.getValue("key"))
        return when (given.getValue("op").jsonPrimitive.content) {
            "get" -> found(stash[key])
            "take" -> found(stash.take(key))
            "exists" -> (key in stash).toString()
            "delete" -> stash.delete(key).toString()
            "entry" -> shown(Outcome.OfEntry(stash.entry(key)))
            "ttl" -> shown(Outcome.OfDeadline(stash.deadline(key)))
            "set" -> {
                val options = options(given)
                val value = valueOf(given.getValue("value"))
                if (options == SetOptions.DEFAULT) stash.set(key, value).toString() else "${stash.set(key, value, options)}"
            }
            "add" -> stash.add(key, valueOf(given.getValue("value"))).toString()
            "replace" -> stash.replace(key, valueOf(given.getValue("value"))).toString()
            "compare_and_set" ->
                stash.compareAndSet(key, given["expected"]?.let(::valueOf), valueOf(given.getValue("value"))).toString()
            "increment" -> stash.increment(key, given.getValue("by").long()).toString()
            "increment_float" -> jsonOf(Value.Float(stash.incrementFloat(key, float(given.getValue("by")))))
            "expire" -> stash.expire(key, deadline(given) ?: throw invalid("a deadline is missing")).toString()
            "persist" -> stash.persist(key).toString()
            "touch" -> stash.touch(key).toString()
            else -> shown(stash.apply(listOf(operation(given))).single())
        }
    }

    private fun operation(given: JsonObject): Operation {
        val key = keyOf(given.getValue("key"))
        val value = { valueOf(given.getValue("value")) }
        return when (val name = given.getValue("op").jsonPrimitive.content) {
            "get" -> Operation.get(key)
            "take" -> Operation.take(key)
            "exists" -> Operation.exists(key)
            "delete" -> Operation.delete(key)
            "entry" -> Operation.entry(key)
            "ttl" -> Operation.deadline(key)
            "set" -> Operation.set(key, value(), options(given))
            "add" -> Operation.add(key, value())
            "replace" -> Operation.replace(key, value())
            "compare_and_set" -> Operation.compareAndSet(key, given["expected"]?.let(::valueOf), value())
            "increment" -> Operation.increment(key, given.getValue("by").long())
            "increment_float" -> Operation.incrementFloat(key, float(given.getValue("by")))
            "expire" -> Operation.expire(key, deadline(given) ?: throw invalid("a deadline is missing"))
            "persist" -> Operation.persist(key)
            "touch" -> Operation.touch(key)
            "check" -> given["expected"]?.let { Operation.expect(key, valueOf(it)) }
                ?: Operation.check(key, condition(given) ?: throw invalid("what is checked is missing"))
            else -> error("there is no operation $name")
        }
    }

    private fun options(given: JsonObject): SetOptions =
        SetOptions(deadline(given), given["keep_ttl"]?.jsonPrimitive?.content == "true", condition(given))

    /** Of several the type takes only one, which is the refusal of the others. */
    private fun deadline(given: JsonObject): Deadline? {
        val all = listOfNotNull(
            given["ttl_us"]?.let { Deadline.After(it.long()) },
            given["idle_us"]?.let { Deadline.Idle(it.long()) },
            given["expires_at"]?.let { if (it is JsonNull) Deadline.Never else Deadline.At(it.long()) },
        )
        if (all.size > 1) throw invalid("more than one deadline")
        return all.firstOrNull()
    }

    private fun condition(given: JsonObject): Condition? = when (val condition = given["if"]) {
        null -> null
        is JsonObject -> Condition.Version(condition.getValue("version").long())
        else -> when (condition.jsonPrimitive.content) {
            "absent" -> Condition.Absent
            "present" -> Condition.Present
            else -> throw invalid("there is no such condition")
        }
    }

    private fun shown(outcome: Outcome): String = when (outcome) {
        is Outcome.OfValue -> found(outcome.value)
        is Outcome.Flag -> outcome.flag.toString()
        is Outcome.OfEntry -> outcome.entry?.let { entry ->
            val idle = entry.idleMicros?.let { ""","idle_us":$it""" }.orEmpty()
            val facts = """"version":${entry.version},"expires_at":${entry.expiresAtMicros},"size":${entry.sizeBytes}"""
            """{"value":${jsonOf(entry.value)},$facts$idle}"""
        } ?: "null"
        is Outcome.OfDeadline -> when (val deadline = outcome.deadline) {
            null -> "null"
            is Deadline.At -> """{"expires_at":${deadline.unixMicros}}"""
            else -> """{"expires_at":null}"""
        }
        is Outcome.Version -> outcome.version.toString()
        is Outcome.OfInt -> outcome.int.toString()
        is Outcome.OfFloat -> jsonOf(Value.Float(outcome.float))
        is Outcome.Failed -> refusal(outcome.error)
    }
}

private fun float(json: JsonElement): Double =
    (valueOf(json) as? Value.Float ?: throw invalid("the amount is no float")).value

private fun JsonElement.long(): Long = (this as? JsonPrimitive)?.takeIf { !it.isString }?.content?.toLongOrNull()
    ?: throw invalid("a number is no integer of 64 bits")
