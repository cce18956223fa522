package io.github.litestash.plugs

import com.russhwolf.settings.ExperimentalSettingsApi
import com.russhwolf.settings.ObservableSettings
import com.russhwolf.settings.Settings
import com.russhwolf.settings.SettingsListener
import com.russhwolf.settings.coroutines.FlowSettings
import com.russhwolf.settings.coroutines.toFlowSettings
import io.github.litestash.EventFilter
import io.github.litestash.Key
import io.github.litestash.LiteStash
import io.github.litestash.LiteStashException
import io.github.litestash.ScanOptions
import io.github.litestash.Value
import kotlinx.coroutines.Dispatchers

/**
 * A stash, or a bucket of one, as the `Settings` of Multiplatform-Settings. Needs `com.russhwolf:multiplatform-settings`.
 *
 * Its keys are the text keys of the stash. A listener is called on a thread of its own, some time after the change, with the
 * value as it is then; changes by other processes are heard with `allProcesses`. A value of another type is
 * [LiteStashException.TypeMismatch].
 *
 * @param allProcesses whether listeners hear of what other processes change
 */
public class LiteStashSettings @JvmOverloads constructor(
    private val stash: LiteStash,
    private val allProcesses: Boolean = false,
) : ObservableSettings {
    override val keys: Set<String>
        get() = stash.keys(ScanOptions(prefix = "")).mapTo(LinkedHashSet()) { (it as Key.Text).value }

    override val size: Int get() = stash.keys(ScanOptions(prefix = "")).count()

    override fun clear(): Unit = stash.clear()

    override fun remove(key: String) {
        stash.delete(key)
    }

    override fun hasKey(key: String): Boolean = key in stash

    override fun putInt(key: String, value: Int): Unit = put(key, Value.Int(value.toLong()))

    override fun getInt(key: String, defaultValue: Int): Int = getIntOrNull(key) ?: defaultValue

    override fun getIntOrNull(key: String): Int? = getLongOrNull(key)?.let {
        if (it in Int.MIN_VALUE..Int.MAX_VALUE) it.toInt() else throw mismatch("Int")
    }

    override fun putLong(key: String, value: Long): Unit = put(key, Value.Int(value))

    override fun getLong(key: String, defaultValue: Long): Long = getLongOrNull(key) ?: defaultValue

    override fun getLongOrNull(key: String): Long? = find<Value.Int>(key, "Long")?.value

    override fun putString(key: String, value: String): Unit = put(key, Value.Text(value))

    override fun getString(key: String, defaultValue: String): String = getStringOrNull(key) ?: defaultValue

    override fun getStringOrNull(key: String): String? = find<Value.Text>(key, "String")?.value

    override fun putFloat(key: String, value: Float): Unit = put(key, Value.Float(value.toDouble()))

    override fun getFloat(key: String, defaultValue: Float): Float = getFloatOrNull(key) ?: defaultValue

    override fun getFloatOrNull(key: String): Float? = getDoubleOrNull(key)?.toFloat()

    override fun putDouble(key: String, value: Double): Unit = put(key, Value.Float(value))

    override fun getDouble(key: String, defaultValue: Double): Double = getDoubleOrNull(key) ?: defaultValue

    override fun getDoubleOrNull(key: String): Double? = find<Value.Float>(key, "Double")?.value

    override fun putBoolean(key: String, value: Boolean): Unit = put(key, Value.Bool(value))

    override fun getBoolean(key: String, defaultValue: Boolean): Boolean = getBooleanOrNull(key) ?: defaultValue

    override fun getBooleanOrNull(key: String): Boolean? = find<Value.Bool>(key, "Boolean")?.value

    override fun addIntListener(key: String, defaultValue: Int, callback: (Int) -> Unit): SettingsListener =
        listen(key, { getInt(key, defaultValue) }, callback)

    override fun addLongListener(key: String, defaultValue: Long, callback: (Long) -> Unit): SettingsListener =
        listen(key, { getLong(key, defaultValue) }, callback)

    override fun addStringListener(key: String, defaultValue: String, callback: (String) -> Unit): SettingsListener =
        listen(key, { getString(key, defaultValue) }, callback)

    override fun addFloatListener(key: String, defaultValue: Float, callback: (Float) -> Unit): SettingsListener =
        listen(key, { getFloat(key, defaultValue) }, callback)

    override fun addDoubleListener(key: String, defaultValue: Double, callback: (Double) -> Unit): SettingsListener =
        listen(key, { getDouble(key, defaultValue) }, callback)

    override fun addBooleanListener(key: String, defaultValue: Boolean, callback: (Boolean) -> Unit): SettingsListener =
        listen(key, { getBoolean(key, defaultValue) }, callback)

    override fun addIntOrNullListener(key: String, callback: (Int?) -> Unit): SettingsListener =
        listen(key, { getIntOrNull(key) }, callback)

    override fun addLongOrNullListener(key: String, callback: (Long?) -> Unit): SettingsListener =
        listen(key, { getLongOrNull(key) }, callback)

    override fun addStringOrNullListener(key: String, callback: (String?) -> Unit): SettingsListener =
        listen(key, { getStringOrNull(key) }, callback)

    override fun addFloatOrNullListener(key: String, callback: (Float?) -> Unit): SettingsListener =
        listen(key, { getFloatOrNull(key) }, callback)

    override fun addDoubleOrNullListener(key: String, callback: (Double?) -> Unit): SettingsListener =
        listen(key, { getDoubleOrNull(key) }, callback)

    override fun addBooleanOrNullListener(key: String, callback: (Boolean?) -> Unit): SettingsListener =
        listen(key, { getBooleanOrNull(key) }, callback)

    private fun put(key: String, value: Value) {
        stash[key] = value
    }

    private inline fun <reified V : Value> find(key: String, wanted: String): V? =
        stash[key]?.let { it as? V ?: throw mismatch(wanted) }

    private fun mismatch(wanted: String) = LiteStashException.TypeMismatch("the stored value is no $wanted")

    /** Events say that something happened, not what: a value is read, and told if it is another than the last one. */
    private fun <T> listen(key: String, read: () -> T, callback: (T) -> Unit): SettingsListener {
        var last = read()
        val subscription = stash.subscribe(EventFilter(key = Key.of(key), allProcesses = allProcesses)) {
            val now = read()
            if (now != last) {
                last = now
                callback(now)
            }
        }
        return object : SettingsListener {
            override fun deactivate() = subscription.close()
        }
    }

    /** Makes settings that are buckets of a stash. Without a name: the bucket `settings`. */
    public class Factory(private val stash: LiteStash) : Settings.Factory {
        override fun create(name: String?): LiteStashSettings = LiteStashSettings(stash.bucket(name ?: "settings"))
    }
}

/** The stash as `FlowSettings`. Needs `com.russhwolf:multiplatform-settings-coroutines`. */
@ExperimentalSettingsApi
public fun LiteStashSettings.toFlowSettings(): FlowSettings = toFlowSettings(Dispatchers.IO)
