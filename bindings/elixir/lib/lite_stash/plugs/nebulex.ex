if match?({:module, _}, Code.ensure_compiled(Nebulex.Adapter)) do
  defmodule LiteStash.NebulexAdapter do
    @moduledoc """
    An adapter for Nebulex 3: a cache whose entries survive the virtual machine and are shared by all that use the
    directory.

        defmodule MyApp.Cache do
          use Nebulex.Cache, otp_app: :my_app, adapter: LiteStash.NebulexAdapter
        end

        config :my_app, MyApp.Cache, data_dir: "/var/lib/my_app/cache", max_bytes: 500_000_000,
          eviction: :least_recently_used

    The options of the cache are those of `LiteStash.start_link/1`.

    Keys and values may be any terms. Integers, and text as a key, are stored as they are; everything else in Erlang's
    own format, as bytes. Queries are `{:in, keys}` and `{:q, nil}`.
    """

    @behaviour Nebulex.Adapter
    @behaviour Nebulex.Adapter.KV
    @behaviour Nebulex.Adapter.Queryable

    alias LiteStash.{Bytes, Call, Terms}

    # Rows that are removed by one transaction.
    @chunk 1000

    @impl Nebulex.Adapter
    defmacro __before_compile__(_env), do: :ok

    @impl Nebulex.Adapter
    def init(config) do
      cache = Keyword.get(config, :name) || Keyword.fetch!(config, :cache)
      name = Module.concat(cache, LiteStash)
      ours = ~w(data_dir mode engine create read_only durability busy_timeout cache_bytes value_bytes_max)a
      limits = ~w(default_ttl max_bytes max_rows eviction background)a
      sealed = ~w(encryption_key passphrase key_file passphrase_file compression)a
      options = config |> Keyword.take(ours ++ limits ++ sealed) |> Keyword.put(:name, name)
      {:ok, LiteStash.child_spec(options), %{stash: name}}
    end

    @impl Nebulex.Adapter.KV
    def fetch(%{stash: stash}, key, _options), do: stash |> LiteStash.fetch(pack_key(key)) |> found(key)

    @impl Nebulex.Adapter.KV
    def put(%{stash: stash}, key, value, on_write, ttl, keep_ttl, _options) do
      {key, value} = {pack_key(key), pack(value)}
      deadline = if keep_ttl and on_write != :put_new, do: [keep_ttl: true], else: [ttl: ttl]

      case on_write do
        :put -> stash |> LiteStash.set(key, value, deadline) |> done()
        :put_new -> stash |> LiteStash.add(key, value, deadline) |> told()
        :replace -> stash |> LiteStash.replace(key, value, deadline) |> told()
      end
    end

    @impl Nebulex.Adapter.KV
    def put_all(%{stash: stash}, entries, on_write, ttl, _options) do
      operation = if on_write == :put_new, do: :add, else: :set
      operations = for {key, value} <- entries, do: {operation, pack_key(key), pack(value), [ttl: ttl]}

      case LiteStash.transaction(stash, operations) do
        {:ok, _} -> {:ok, true}
        {:refused, _} -> {:ok, false}
        error -> told(error)
      end
    end

    @impl Nebulex.Adapter.KV
    def delete(%{stash: stash}, key, _options) do
      with {:ok, _} <- stash |> LiteStash.delete(pack_key(key)) |> told(), do: :ok
    end

    @impl Nebulex.Adapter.KV
    def take(%{stash: stash}, key, _options) do
      case Call.one(stash, "take", pack_key(key)) do
        :miss -> missing(key)
        answer -> found(answer, key)
      end
    end

    @impl Nebulex.Adapter.KV
    def update_counter(%{stash: stash}, key, amount, default, ttl, _options) do
      key = pack_key(key)

      # One key is one shard, so this is one transaction.
      case LiteStash.batch(stash, [{:add, key, default, [ttl: ttl]}, {:increment, key, amount}]) do
        {:ok, [{:ok, _}, {:ok, sum}]} -> {:ok, sum}
        {:ok, results} -> results |> Enum.find(&match?({:error, _}, &1)) |> told()
        error -> told(error)
      end
    end

    @impl Nebulex.Adapter.KV
    def has_key?(%{stash: stash}, key, _options), do: stash |> LiteStash.exists(pack_key(key)) |> told()

    @impl Nebulex.Adapter.KV
    def ttl(%{stash: stash}, key, _options) do
      case LiteStash.ttl(stash, pack_key(key)) do
        {:ok, nil} -> missing(key)
        {:ok, :never} -> {:ok, :infinity}
        answer -> told(answer)
      end
    end

    @impl Nebulex.Adapter.KV
    def expire(%{stash: stash}, key, ttl, _options),
      do: stash |> LiteStash.expire(pack_key(key), ttl: ttl) |> told()

    @impl Nebulex.Adapter.KV
    def touch(%{stash: stash}, key, _options), do: stash |> LiteStash.touch(pack_key(key)) |> told()

    @impl Nebulex.Adapter.Queryable
    def execute(meta, %{op: :count_all, query: {:q, nil}}, _options),
      do: meta.stash |> LiteStash.len() |> told()

    def execute(meta, %{op: :count_all} = query, options) do
      with {:ok, rows} <- execute(meta, %{query | op: :get_all, select: :key}, options),
           do: {:ok, length(rows)}
    end

    def execute(meta, %{op: :get_all} = query, options) do
      with {:ok, rows} <- stream(meta, query, options), do: gather(rows)
    end

    def execute(meta, %{op: :delete_all, query: {:in, keys}}, _options) do
      keys
      |> Enum.map(&pack_key/1)
      |> Enum.chunk_every(@chunk)
      |> Enum.reduce_while({:ok, 0}, fn keys, {:ok, count} ->
        case LiteStash.delete_many(meta.stash, keys) do
          {:ok, removed} -> {:cont, {:ok, count + Enum.count(removed, & &1)}}
          error -> {:halt, told(error)}
        end
      end)
    end

    def execute(meta, %{op: :delete_all, query: {:q, nil}} = query, options) do
      with {:ok, keys} <- execute(meta, %{query | op: :get_all, select: :key}, options),
           do: execute(meta, %{query | query: {:in, keys}}, options)
    end

    def execute(_meta, %{query: query}, _options), do: unknown(query)

    @impl Nebulex.Adapter.Queryable
    def stream(meta, %{query: {:in, keys}, select: select}, _options) do
      packed = Enum.map(keys, &pack_key/1)

      with {:ok, found} <- meta.stash |> LiteStash.get_many(packed) |> told(),
           do: {:ok, packed |> Enum.uniq() |> Enum.flat_map(&row(found, &1, select))}
    end

    def stream(meta, %{query: {:q, nil}, select: select}, _options),
      do:
        {:ok,
         meta.stash |> LiteStash.items() |> Stream.map(fn {key, value} -> select(key, value, select) end)}

    def stream(_meta, %{query: query}, _options), do: unknown(query)

    defp gather(rows) do
      {:ok, Enum.to_list(rows)}
    rescue
      error in LiteStash.Error -> told({:error, error})
    end

    defp row(found, key, select) do
      case found do
        %{^key => value} -> [select(key, value, select)]
        _ -> []
      end
    end

    defp select(key, _value, :key), do: unpack_key(key)
    defp select(_key, value, :value), do: unpack(value)
    defp select(key, value, _), do: {unpack_key(key), unpack(value)}

    # Text and integers are themselves; bytes are always a term.
    defp pack_key(key) when is_integer(key) and key in -0x8000000000000000..0x7FFFFFFFFFFFFFFF, do: key
    defp pack_key(key), do: if(is_binary(key) and String.valid?(key), do: key, else: Terms.pack(key))

    defp unpack_key(%Bytes{} = key), do: unpack(key)
    defp unpack_key(key) when is_binary(key), do: if(String.valid?(key), do: key, else: unpack(key))
    defp unpack_key(key), do: key

    defp pack(value) when is_integer(value) and value in -0x8000000000000000..0x7FFFFFFFFFFFFFFF, do: value
    defp pack(value), do: Terms.pack(value)

    # What another program stored is not in Erlang's format; it is given as it is.
    defp unpack(value) do
      case Terms.unpack(value) do
        {:ok, term} -> term
        :error -> value
      end
    end

    defp found({:ok, value}, _key), do: {:ok, unpack(value)}
    defp found(:error, key), do: missing(key)
    defp found(error, _key), do: told(error)

    defp missing(key), do: {:error, Nebulex.KeyError.exception(key: key, reason: :not_found)}

    defp done(:ok), do: {:ok, true}
    defp done(error), do: told(error)

    defp told({:error, %LiteStash.Error{} = error}), do: {:error, Nebulex.Error.exception(reason: error)}
    defp told(answer), do: answer

    defp unknown(query) do
      message = "a query is {:in, keys} or {:q, nil}"
      {:error, Nebulex.QueryError.exception(message: message, query: query)}
    end
  end
end
