defmodule LiteStash.Options do
  @moduledoc false
  # Options as the protocol has them.

  alias LiteStash.{Bytes, Error}

  @durabilities [:relaxed, :normal, :full]
  @evictions [:none, :least_recently_stored, :least_recently_used, :least_frequently_used, :random]
  # Those that the protocol has under the same name.
  @same [
    :create,
    :read_only,
    :durability,
    :cache_bytes,
    :value_bytes_max,
    :max_bytes,
    :max_rows,
    :eviction,
    :background
  ]
  @bucket [:durability, :value_bytes_max, :cache, :max_bytes, :max_rows, :eviction]
  @open [:name, :data_dir, :mode, :engine, :testing, :busy_timeout, :default_ttl] ++
          [:encryption_key, :passphrase, :key_file, :passphrase_file, :compression] ++ @same

  @doc "The hello that opens a stash."
  @spec hello(keyword()) :: map()
  def hello(options) do
    case Keyword.keys(options) -- @open do
      [] -> :ok
      [unknown | _] -> refuse("there is no option #{inspect(unknown)}")
    end

    place = place(Keyword.get(options, :data_dir))
    one_of(options, :durability, @durabilities)
    one_of(options, :eviction, @evictions)

    same =
      for {name, value} <- options, name in @same, value != nil, into: %{}, do: {Atom.to_string(name), value}

    same
    |> Map.merge(%{"protocol" => 1, "client" => "elixir"})
    |> Map.merge(place)
    |> put("busy_timeout_ms", options[:busy_timeout] && div(microseconds(options[:busy_timeout]), 1000))
    |> put("default_ttl_us", options[:default_ttl] && microseconds(options[:default_ttl]))
    |> put("encryption_key", bytes(secret(options[:encryption_key])))
    |> put("passphrase", secret(options[:passphrase]))
    |> put("key_file", options[:key_file] && Path.expand(options[:key_file]))
    |> put("passphrase_file", options[:passphrase_file] && Path.expand(options[:passphrase_file]))
    |> put("compression", compression(options[:compression]))
    |> Map.merge(Keyword.get(options, :testing, %{}))
  end

  defp place(nil), do: refuse("data_dir: is missing")
  defp place(:memory), do: %{"memory" => true}
  defp place(data_dir), do: %{"dir" => Path.expand(to_string(data_dir))}

  # A function keeps a secret out of specifications of children, which are logged.
  defp secret(secret) when is_function(secret, 0), do: secret.()
  defp secret(secret), do: secret

  @doc "Bytes, whatever they hold."
  def bytes(nil), do: nil
  def bytes(data) when is_binary(data), do: %Bytes{data: data}
  def bytes(_), do: refuse("a key is a binary")

  defp compression(options) when is_list(options),
    do: Map.new(options, fn {name, value} -> {to_string(name), value} end)

  defp compression(chosen), do: chosen

  @doc "How a value is stored, as the last argument of an operation: `[]` or `[map]`."
  @spec set(keyword()) :: [map()]
  def set(options) do
    members =
      Enum.reduce(options, %{}, fn
        {:keep_ttl, keep?}, members -> put(members, "keep_ttl", keep?)
        {:if, condition}, members -> put(members, "if", condition(condition))
        {name, value}, members -> deadline(name, value, members)
      end)

    if members == %{}, do: [], else: [members]
  end

  @doc "What a bucket has of its own."
  @spec bucket(keyword()) :: map()
  def bucket(options) do
    one_of(options, :durability, @durabilities)
    one_of(options, :eviction, @evictions)

    Enum.reduce(options, %{}, fn
      # The protocol has 0 for none.
      {:default_ttl, :infinity}, members ->
        put(members, "default_ttl_us", 0)

      {:default_ttl, ttl}, members ->
        put(members, "default_ttl_us", ttl && microseconds(ttl))

      {name, value}, members when name in @bucket ->
        put(members, Atom.to_string(name), value)

      {name, _}, _ ->
        refuse("there is no option #{inspect(name)}")
    end)
  end

  @doc "How a missing value is computed."
  @spec compute(keyword()) :: map()
  def compute(options) do
    Enum.reduce(options, %{}, fn
      {:across_processes, across?}, members ->
        put(members, "across_processes", across?)

      {name, span}, members when name in [:lease, :stale_while_revalidate] ->
        put(members, "#{name}_us", span && microseconds(span))

      {name, value}, members ->
        deadline(name, value, members)
    end)
  end

  @doc "A deadline, as the last argument of `expire`."
  @spec deadline(keyword()) :: [map()]
  def deadline(options),
    do: [Enum.reduce(options, %{}, fn {name, value}, it -> deadline(name, value, it) end)]

  @doc "Options of a listing."
  @spec scan(keyword()) :: map()
  def scan(options) do
    Enum.reduce(options, %{}, fn
      {name, value}, members when name in [:prefix, :limit, :cursor] ->
        put(members, Atom.to_string(name), value)

      {name, _}, _ ->
        refuse("there is no option #{inspect(name)}")
    end)
  end

  @doc "A duration in microseconds."
  @spec microseconds(LiteStash.duration()) :: integer()
  def microseconds(milliseconds) when is_integer(milliseconds), do: milliseconds * 1000

  def microseconds({count, unit}) when is_integer(count) do
    case unit do
      :microsecond -> count
      :millisecond -> count * 1000
      :second -> count * 1_000_000
      :minute -> count * 60_000_000
      :hour -> count * 3_600_000_000
      :day -> count * 86_400_000_000
      _ -> refuse("there is no unit #{inspect(unit)}")
    end
  end

  def microseconds(_), do: refuse("a duration is a number of milliseconds or {count, unit}")

  @doc false
  def condition(:absent), do: "absent"
  def condition(:present), do: "present"
  def condition({:version, version}), do: %{"version" => version}
  def condition(_), do: refuse("if: is :absent, :present or {:version, number}")

  @doc false
  @spec refuse(String.t()) :: no_return()
  def refuse(message), do: throw({:refused, Error.new(:invalid_argument, message)})

  defp deadline(:ttl, nil, members), do: members
  defp deadline(:ttl, :infinity, members), do: put(members, "never", true)
  defp deadline(:ttl, ttl, members), do: put(members, "ttl_us", microseconds(ttl))
  defp deadline(:idle, idle, members), do: put(members, "idle_us", idle && microseconds(idle))
  defp deadline(:expires_at, nil, members), do: members

  defp deadline(:expires_at, %DateTime{} = at, members),
    do: put(members, "expires_at", DateTime.to_unix(at, :microsecond))

  defp deadline(:expires_at, at, members), do: put(members, "expires_at", at)
  defp deadline(name, _, _), do: refuse("there is no option #{inspect(name)}")

  defp put(members, _name, nil), do: members
  defp put(members, name, value), do: Map.put(members, name, value)

  defp one_of(options, name, allowed) do
    value = options[name]
    value == nil or value in allowed or refuse("#{name}: is one of #{inspect(allowed)}")
  end
end
