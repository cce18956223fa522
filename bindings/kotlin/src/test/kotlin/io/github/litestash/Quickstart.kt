package io.github.litestash.quickstart

import io.github.litestash.Deadline
import io.github.litestash.LiteStash
import io.github.litestash.Operation
import io.github.litestash.ScanOptions
import io.github.litestash.after
import io.github.litestash.get
import io.github.litestash.getOrSet
import io.github.litestash.set
import io.github.litestash.suspending
import kotlinx.serialization.Serializable
import kotlin.time.Duration.Companion.minutes

@Serializable
data class User(val name: String, val age: Int)

suspend fun main(arguments: Array<String>) {
    LiteStash.open(arguments.firstOrNull() ?: "data").use { stash ->
        stash["user:1001"] = User("Ada", 36)
        println(stash.get<User>("user:1001"))

        stash.set("session", "token", ttl = 30.minutes)
        println("session" in stash)

        println(stash.increment("visits"))
        println(stash.getOrSet<String>("report") { "made once, however many ask" })

        stash.transaction(listOf(Operation.increment("ada", -30), Operation.increment("bob", 30)))
        for ((key, value) in stash.items(ScanOptions(prefix = "user:"))) println("$key is $value")

        stash.expire("user:1001", Deadline.after(1.minutes))
        println(stash.suspending.verify().isSound)
    }
}
