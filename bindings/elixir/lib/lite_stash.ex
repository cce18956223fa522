defmodule LiteStash do
  @moduledoc """
  An embedded key-value store: a directory of SQLite files that programs in several languages use at the same time.

      children = [
        {LiteStash, name: MyApp.Stash, data_dir: "/var/lib/my_app/stash"}
      ]

  A stash is named by its `:name`, by its pid, or by what `bucket/2` returns. Reading and writing go straight to the
  engine; there is no process in between.

      iex> {:ok, stash} = LiteStash.start_link(data_dir: LiteStash.Doctest.dir())
      iex> LiteStash.set(stash, "user:1001", %{name: "Ada", age: 36})
      :ok
      iex> LiteStash.get(stash, "user:1001")
      {:ok, %{"age" => 36, "name" => "Ada"}}
      iex> LiteStash.get(stash, "missing")
      {:ok, nil}
      iex> LiteStash.fetch(stash, "missing")
      :error

  Functions answer `:ok`, `{:ok, result}` or `{:error, error}` with a `LiteStash.Error`; those with a `!` return the
  bare result and raise the error. What terms become is in `LiteStash.Value`: atoms are stored as text, maps come back
  with text keys. A key is text, an atom (which is its text), an integer, a float, or bytes.

  ## Two modes

  In the mode `:nif` the engine is a library in the virtual machine. What is in memory is answered by the scheduler of
  the caller; what may touch a file runs elsewhere. In the mode `:port` it is a process, `litestash-engine`, for those
  who want no native code in the virtual machine. If it dies another one is started; nothing acknowledged is lost. A
  write that waited for its answer then is `:indeterminate`.

  ## Telemetry

  If `:telemetry` is there, every operation executes `[:litestash, :operation, :stop]` with the measurement `:duration`
  (native time units) and the metadata `:stash`, `:operation` and `:result` (`:ok`, `:miss` or `{:error, kind}`).
  """

  alias LiteStash.{Batch, Call, Compute, Entry, Error, Options, Scan, Server, Value}

  # `place` is how requests name the bucket: as a term, and encoded.
  @enforce_keys [:server]
  @derive {Inspect, only: [:server, :bucket]}
  defstruct [:server, :bucket, :place]

  @typedoc "A stash or a bucket of it."
  @type t :: GenServer.server() | %__MODULE__{}

  @type key ::
          String.t() | binary() | atom() | integer() | float() | LiteStash.Bytes.t() | LiteStash.NonFinite.t()

  @typedoc "Milliseconds, or a count of a unit."
  @type duration ::
          integer() | {integer(), :microsecond | :millisecond | :second | :minute | :hour | :day}

  @typedoc """
  How long a row is kept: `ttl:` from now on, `idle:` from its last use, `expires_at:` a `DateTime` or Unix time in
  microseconds. `ttl: :infinity` stands for no deadline where the stash has a default.
  """
  @type deadline ::
          {:ttl, duration() | :infinity | nil}
          | {:idle, duration()}
          | {:expires_at, DateTime.t() | integer() | nil}

  @typedoc """
  How a value is stored. `keep_ttl: true` keeps the deadline that the row has. `if:` stores only over a row that is
  absent, present or of that version.
  """
  @type set_option ::
          deadline() | {:keep_ttl, boolean()} | {:if, :absent | :present | {:version, integer()}}

  @typedoc "How a missing value is computed; see `get_or_set/4`."
  @type compute_option ::
          deadline()
          | {:across_processes, boolean()}
          | {:lease, duration()}
          | {:stale_while_revalidate, duration() | nil}

  @typedoc "What a bucket has of its own; see `bucket/3`."
  @type bucket_option ::
          {:durability, :relaxed | :normal | :full}
          | {:value_bytes_max, pos_integer()}
          | {:cache, boolean()}
          | {:default_ttl, duration() | :infinity}
          | {:max_bytes, pos_integer()}
          | {:max_rows, pos_integer()}
          | {:eviction, atom()}

  @typedoc "An operation of `batch/2` and `transaction/2`."
  @type operation :: tuple()

  @type failure :: {:error, Error.t()}

  @doc """
  Starts a stash, linked to the caller. It is closed when its process ends.

    * `:data_dir` - the directory; required. It is created if it is missing. `:memory` stands for a stash without
      files, which ends with its process (in the mode `:port`, with its engine)
    * `:name` - how to name it
    * `:mode` - `:nif` (default) or `:port`
    * `:engine` - in the mode `:port`, the program; by default the one of this package, then the one on the path
    * `:durability` - what an acknowledged write has reached: `:relaxed` (memory, written within 10 ms), `:normal`
      (default; survives the end of the process) or `:full` (survives a power cut)
    * `:create` - whether a missing stash is created; default `true`
    * `:read_only` - whether writes are refused; default `false`
    * `:busy_timeout` - how long an operation waits for another process; default 30 s
    * `:cache_bytes` - rows kept in memory; default 16 MiB
    * `:value_bytes_max` - the longest value; default 64 MiB
    * `:default_ttl` - the time to live of rows that are made without a deadline
    * `:max_bytes`, `:max_rows`, `:eviction` - limits, and what goes when they are reached: `:none` (default),
      `:least_recently_stored`, `:least_recently_used`, `:least_frequently_used` or `:random`
    * `:background` - whether expired rows are removed by themselves; default `true`
    * `:encryption_key` (32 bytes), `:passphrase`, `:key_file` or `:passphrase_file` - opens an encrypted stash, or makes
      a new one encrypted. The first two may be a function that returns it, so that it stays out of logs
    * `:compression` - `true`, or `[min_bytes: 1024, level: 3]`: whether values are compressed where that helps
  """
  @spec start_link(keyword()) :: GenServer.on_start()
  def start_link(options), do: Server.start_link(options)

  @doc "The specification of a stash as a child of a supervisor. Its id is the name, if it has one."
  @spec child_spec(keyword()) :: Supervisor.child_spec()
  def child_spec(options) do
    %{
      id: Keyword.get(options, :name, __MODULE__),
      start: {__MODULE__, :start_link, [options]},
      type: :worker,
      shutdown: 30_000
    }
  end

  @doc "Closes a stash: its process ends, and everything acknowledged is in its files."
  @spec close(GenServer.server()) :: :ok
  def close(stash), do: GenServer.stop(stash)

  @doc "The value of a key; `nil` if it is missing or expired. `fetch/2` tells a stored `nil` from a miss."
  @spec get(t(), key()) :: {:ok, term()} | failure()
  def get(stash, key) do
    case Call.get(stash, key) do
      :miss -> {:ok, nil}
      answer -> answer
    end
  end

  @doc "The value of a key, `:error` if it is missing or expired."
  @spec fetch(t(), key()) :: {:ok, term()} | :error | failure()
  def fetch(stash, key) do
    case Call.get(stash, key) do
      :miss -> :error
      answer -> answer
    end
  end

  @doc "As `fetch/2`, but raises `KeyError` for a miss and `LiteStash.Error` for a failure."
  @spec fetch!(t(), key()) :: term()
  def fetch!(stash, key) do
    case fetch(stash, key) do
      {:ok, value} -> value
      :error -> raise KeyError, message: "the key is not in the stash"
      {:error, error} -> raise error
    end
  end

  @doc """
  Stores a value. With `if:`, answers `:skipped` where the condition does not hold.

      iex> {:ok, stash} = LiteStash.start_link(data_dir: LiteStash.Doctest.dir())
      iex> LiteStash.set(stash, :token, "abc", ttl: {1, :hour})
      :ok
      iex> LiteStash.set(stash, "token", "def", if: :absent)
      :skipped
  """
  @spec set(t(), key(), term(), [set_option()]) :: :ok | :skipped | failure()
  def set(stash, key, value, options \\ [])

  def set(stash, key, value, []) do
    case Call.set(stash, key, value) do
      {:ok, _} -> :ok
      error -> error
    end
  end

  def set(stash, key, value, options) do
    case set_versioned(stash, key, value, options) do
      {:ok, nil} -> :skipped
      {:ok, _} -> :ok
      error -> error
    end
  end

  @doc "As `set/4`, but answers the new version, or `nil` where the condition does not hold."
  @spec set_versioned(t(), key(), term(), [set_option()]) :: {:ok, integer() | nil} | failure()
  def set_versioned(stash, key, value, options \\ []),
    do: Call.refusable(fn -> Call.one(stash, "set", key, [value | Options.set(options)]) end)

  @doc "Stores a value if the key is missing. Answers whether it did."
  @spec add(t(), key(), term(), [set_option()]) :: {:ok, boolean()} | failure()
  def add(stash, key, value, options \\ []),
    do: Call.refusable(fn -> Call.one(stash, "add", key, [value | Options.set(options)]) end)

  @doc "Stores a value if the key is there. Answers whether it did."
  @spec replace(t(), key(), term(), [set_option()]) :: {:ok, boolean()} | failure()
  def replace(stash, key, value, options \\ []),
    do: Call.refusable(fn -> Call.one(stash, "replace", key, [value | Options.set(options)]) end)

  @doc """
  Stores a value if the stored one is `{:value, expected}`, or the key is `:absent`. Answers whether it did. Values are
  equal if their encodings are: `1` is not `1.0`.
  """
  @spec compare_and_set(t(), key(), {:value, term()} | :absent, term()) :: {:ok, boolean()} | failure()
  def compare_and_set(stash, key, expected, value) do
    Call.refusable(fn -> Call.one(stash, "compare_and_set", key, [Batch.expected(expected), value]) end)
  end

  @doc "Removes a key. Answers whether it was there."
  @spec delete(t(), key()) :: {:ok, boolean()} | failure()
  def delete(stash, key), do: Call.one(stash, "delete", key)

  @doc "Removes a key and answers the value it had, or `nil`."
  @spec take(t(), key()) :: {:ok, term()} | failure()
  def take(stash, key), do: or_nil(Call.one(stash, "take", key))

  @doc "Whether a key is there."
  @spec exists(t(), key()) :: {:ok, boolean()} | failure()
  def exists(stash, key), do: Call.one(stash, "exists", key)

  @doc "A value with its version, deadline and size; `nil` if it is not there."
  @spec entry(t(), key()) :: {:ok, Entry.t() | nil} | failure()
  def entry(stash, key) do
    case Call.one(stash, "entry", key) do
      {:ok, entry} -> {:ok, Entry.from_map(entry)}
      other -> or_nil(other)
    end
  end

  @doc "Adds to an integer; a missing key counts as 0. Answers the sum."
  @spec increment(t(), key(), integer()) :: {:ok, integer()} | failure()
  def increment(stash, key, by \\ 1), do: Call.one(stash, "increment", key, [by])

  @doc "Adds to a float; a missing key counts as 0.0. Answers the sum."
  @spec increment_float(t(), key(), number() | LiteStash.NonFinite.t()) :: {:ok, float()} | failure()
  def increment_float(stash, key, by), do: Call.one(stash, "increment_float", key, [by])

  @doc "When a key ends, as Unix time in microseconds: `:never` without a deadline, `nil` if it is not there."
  @spec expires_at(t(), key()) :: {:ok, integer() | :never | nil} | failure()
  def expires_at(stash, key) do
    case Call.one(stash, "ttl", key) do
      {:ok, nil} -> {:ok, :never}
      other -> or_nil(other)
    end
  end

  @doc "How many milliseconds a key has left: `:never` without a deadline, `nil` if it is not there."
  @spec ttl(t(), key()) :: {:ok, non_neg_integer() | :never | nil} | failure()
  def ttl(stash, key) do
    case expires_at(stash, key) do
      {:ok, at} when is_integer(at) -> {:ok, max(0, div(at - System.os_time(:microsecond) + 999, 1000))}
      other -> other
    end
  end

  @doc "Gives a row another deadline. Answers whether it was there."
  @spec expire(t(), key(), [deadline()]) :: {:ok, boolean()} | failure()
  def expire(stash, key, deadline),
    do: Call.refusable(fn -> Call.one(stash, "expire", key, Options.deadline(deadline)) end)

  @doc "Takes a row's deadline away. Answers whether it had one."
  @spec persist(t(), key()) :: {:ok, boolean()} | failure()
  def persist(stash, key), do: Call.one(stash, "persist", key)

  @doc "Begins the window of a sliding deadline anew. Answers whether the key is there."
  @spec touch(t(), key()) :: {:ok, boolean()} | failure()
  def touch(stash, key), do: Call.one(stash, "touch", key)

  @doc "Whether a row is `:absent`, `:present`, `{:version, number}` or `{:value, value}`; see `transaction/2`."
  @spec check(t(), key(), :absent | :present | {:version, integer()} | {:value, term()}) ::
          {:ok, boolean()} | failure()
  def check(stash, key, condition) do
    Call.refusable(fn ->
      [name | arguments] = Batch.request({:check, key, condition})
      Call.run(stash, name, arguments)
    end)
  end

  @doc "The values of the keys that are there, as a map by the keys as they were given."
  @spec get_many(t(), [key()]) :: {:ok, %{key() => term()}} | failure()
  def get_many(stash, keys) do
    with :ok <- Call.check_keys(keys),
         {:ok, found} <- Call.run(stash, "get_many", [keys]) do
      {:ok, for({key, [value]} <- Enum.zip(keys, found), into: %{}, do: {key, value})}
    end
  end

  @doc "Stores the pairs of a map or list. Each shard's part is one transaction. Answers the versions."
  @spec set_many(t(), Enumerable.t()) :: {:ok, [integer()]} | failure()
  def set_many(stash, pairs) do
    pairs = Enum.map(pairs, fn {key, value} -> [key, value] end)
    with :ok <- Call.check_keys(Enum.map(pairs, &hd/1)), do: Call.run(stash, "set_many", [pairs])
  end

  @doc "Removes keys. Answers for each whether it was there."
  @spec delete_many(t(), [key()]) :: {:ok, [boolean()]} | failure()
  def delete_many(stash, keys) do
    with :ok <- Call.check_keys(keys), do: Call.run(stash, "delete_many", [keys])
  end

  @doc """
  Performs operations on one key each, one transaction for each shard. One that fails does not stop the others.

  An operation is a tuple of its name, the key and its arguments: `{:set, key, value}` and `{:set, key, value, options}`,
  the same with `:add` and `:replace`; `{:get, key}`, and so `:exists`, `:entry`, `:ttl`, `:take`, `:delete`, `:persist`,
  `:touch`; `{:increment, key, by}`, `{:increment_float, key, by}`, `{:compare_and_set, key, expected, value}`,
  `{:expire, key, deadline}` and `{:check, key, condition}`.

  Answers for each `{:ok, result}`, `:miss` or `{:error, error}`; the result of a `:set` is its version.

      iex> {:ok, stash} = LiteStash.start_link(data_dir: LiteStash.Doctest.dir())
      iex> LiteStash.batch(stash, [{:increment, "n", 2}, {:get, "n"}, {:get, "m"}])
      {:ok, [{:ok, 2}, {:ok, 2}, :miss]}
  """
  @spec batch(t(), [operation()]) ::
          {:ok, [{:ok, term()} | :miss | failure()]} | failure()
  def batch(stash, operations) do
    Call.refusable(fn ->
      with {:ok, results} <- Call.run(stash, "apply", [Enum.map(operations, &Batch.request/1)]) do
        {:ok, results(operations, results)}
      end
    end)
  end

  @doc """
  Performs operations, all or none, over all shards. Answers their results as `batch/2` does, or `{:refused, index}` if
  the condition of one does not hold: a `:check`, a `:set` with `if:`, an `:add`, `:replace` or `:compare_and_set`.

      iex> {:ok, stash} = LiteStash.start_link(data_dir: LiteStash.Doctest.dir())
      iex> LiteStash.set(stash, "a", 10)
      iex> LiteStash.transaction(stash, [{:check, "a", {:value, 10}}, {:set, "a", 7}, {:increment, "b", 3}])
      iex> LiteStash.transaction(stash, [{:check, "a", {:value, 10}}, {:delete, "b"}])
      {:refused, 0}
      iex> LiteStash.get_many(stash, ["a", "b"])
      {:ok, %{"a" => 7, "b" => 3}}
  """
  @spec transaction(t(), [operation()]) ::
          {:ok, [{:ok, term()} | :miss]} | {:refused, non_neg_integer()} | failure()
  def transaction(stash, operations) do
    Call.refusable(fn ->
      case Call.run(stash, "transaction", [Enum.map(operations, &Batch.request/1)]) do
        {:ok, %{"refused" => index}} -> {:refused, index}
        {:ok, %{"committed" => results}} -> {:ok, results(operations, results)}
        error -> error
      end
    end)
  end

  @doc """
  The value of a key; if it is missing, the function computes one that is stored.

  However many processes ask at once, of this virtual machine and of others on the same directory, in whatever language,
  one computes and the others wait for its value. If it fails, its exception is its own, those of this stash who waited
  get `:compute_failed`, and another virtual machine that waits computes. If it is killed, one who waited computes; if its
  virtual machine dies, another one does after the lease. A value that somebody else stored meanwhile is kept and
  returned.

    * `:ttl`, `:idle` or `:expires_at` - how long the value is kept, as in `set/4`
    * `:across_processes` - whether virtual machines leave the computation to one of them; default `true`
    * `:lease` - how long the others wait for one that died while it computed; default 5 s. It is renewed while the
      computation runs
    * `:stale_while_revalidate` - for how long after its `:ttl` a value is still returned at once, while one process
      computes the next. Give the same in each call

      iex> {:ok, stash} = LiteStash.start_link(data_dir: LiteStash.Doctest.dir())
      iex> LiteStash.get_or_set(stash, "answer", fn -> 42 end, ttl: {1, :minute})
      {:ok, 42}
  """
  @spec get_or_set(t(), key(), (() -> term()), [compute_option()]) :: {:ok, term()} | failure()
  def get_or_set(stash, key, compute, options \\ []) do
    with {:ok, members} <- Call.refusable(fn -> {:ok, Options.compute(options)} end),
         do: Compute.run(stash, key, compute, members)
  end

  @doc """
  A stream of the keys, in the order of their hashes.

    * `:prefix` - only text keys that begin with it
    * `:limit` - so many at most
    * `:page` - how many are read at a time; default 256
    * `:damaged` - a row that is damaged is raised as `LiteStash.Error` (`:raise`, default) or left out (`:skip`)

  Rows written meanwhile are seen if they lie ahead; no row is seen twice, and the stream ends.
  """
  @spec keys(t(), keyword()) :: Enumerable.t()
  def keys(stash, options \\ []), do: Scan.stream(stash, "keys", options)

  @doc "A stream of the values; see `keys/2`."
  @spec values(t(), keyword()) :: Enumerable.t()
  def values(stash, options \\ []), do: Scan.stream(stash, "values", options)

  @doc "A stream of `{key, value}`; see `keys/2`. The struct of `bucket/2` is itself enumerable in this way."
  @spec items(t(), keyword()) :: Enumerable.t()
  def items(stash, options \\ []), do: Scan.stream(stash, "items", options)

  @doc """
  One page of `:keys`, `:values` or `:items`, with `:prefix`, `:limit` (default 256) and the `:cursor` of the page before;
  the cursor is `nil` behind the last. `errors` tells of damaged rows that were left out.
  """
  @spec page(t(), :keys | :values | :items, keyword()) ::
          {:ok, %{items: [term()], cursor: String.t() | nil, errors: [String.t()]}} | failure()
  def page(stash, what, options \\ []) when what in [:keys, :values, :items],
    do: Scan.page(stash, Atom.to_string(what), options)

  @doc "How many rows there are."
  @spec len(t()) :: {:ok, non_neg_integer()} | failure()
  def len(stash), do: Call.run(stash, "len", [])

  @doc "Removes all rows."
  @spec clear(t()) :: :ok | failure()
  def clear(stash), do: done(Call.run(stash, "clear", []))

  @doc "Removes what has expired. Answers how many rows and hints were removed, and more."
  @spec sweep(t()) :: {:ok, map()} | failure()
  def sweep(stash), do: Call.run(stash, "sweep", [])

  @doc "Removes rows that were last written longer ago than that, of a `:prefix` or all. Answers how many."
  @spec expire_older_than(t(), duration(), keyword()) :: {:ok, non_neg_integer()} | failure()
  def expire_older_than(stash, age, options \\ []) do
    Call.refusable(fn ->
      Call.run(stash, "expire_older_than", [Options.microseconds(age), Options.scan(options)])
    end)
  end

  @doc """
  A bucket: a stash of its own within the stash, made by the first write to it.

    * `:durability` - as `start_link/1` has it; default: the stash's
    * `:value_bytes_max` - the longest value; default: the stash's
    * `:cache` - whether its rows are kept in memory; default `true`
    * `:default_ttl` - the time to live of rows that are made without a deadline, `:infinity` for none; default: the
      stash's
    * `:max_bytes`, `:max_rows`, `:eviction` - limits of its own, as `start_link/1` has them

  The options are given to the engine with every request. All who use a bucket at the same time give the same, or none:
  others are `:invalid_argument`. Raises `LiteStash.Error` for an option that there is not.

      iex> {:ok, stash} = LiteStash.start_link(data_dir: :memory)
      iex> sessions = LiteStash.bucket(stash, "sessions", default_ttl: {20, :minute}, max_rows: 10_000)
      iex> LiteStash.set(sessions, "user:1001", "signed in")
      :ok
      iex> {:ok, left} = LiteStash.ttl(sessions, "user:1001")
      iex> left > 0
      true
      iex> LiteStash.get(stash, "user:1001")
      {:ok, nil}
  """
  @spec bucket(t(), String.t(), [bucket_option()]) :: %__MODULE__{}
  def bucket(stash, name, options \\ []) when is_binary(name) do
    {server, _} = Call.target(stash)

    with {:ok, members} <- Call.refusable(fn -> {:ok, Options.bucket(options)} end),
         term = if(members == %{}, do: name, else: [name, members]),
         {:ok, encoded} <- Value.encode(term) do
      %__MODULE__{server: server, bucket: name, place: {term, encoded}}
    else
      {:error, error} -> raise error
    end
  end

  @doc "The names of all buckets."
  @spec buckets(t()) :: {:ok, [String.t()]} | failure()
  def buckets(stash), do: Call.run(stash, "buckets", [])

  @doc "Removes a bucket. Answers whether there was one."
  @spec drop_bucket(t(), String.t()) :: {:ok, boolean()} | failure()
  def drop_bucket(stash, name), do: Call.run(stash, "drop_bucket", [name])

  @doc """
  Sends the calling process `{LiteStash, reference, event}` with a `LiteStash.Event` for what happens from now on.

    * `:kinds` - default: all but `:access`
    * `:key` or `:prefix` - only of that key, or of text keys that begin so
    * `:all_processes` - whether writes of other processes count; default `false`
    * `:capacity` - events that may wait; default 8192. What finds no room is dropped and counted by the next event

  A process with 10 000 unread messages gets no more until it has read some. The subscription ends with the process.
  """
  @spec subscribe(t(), keyword()) :: {:ok, reference()} | failure()
  def subscribe(stash, options \\ []) do
    {server, bucket} = Call.target(stash)
    Server.subscribe(server, bucket, Map.new(options, fn {name, value} -> {Atom.to_string(name), value} end))
  end

  @doc "Ends a subscription. Answers whether there was one."
  @spec unsubscribe(t(), reference()) :: boolean() | failure()
  def unsubscribe(stash, reference) do
    {server, _} = Call.target(stash)
    Server.unsubscribe(server, reference)
  end

  @doc "Makes everything acknowledged so far durable."
  @spec sync(t()) :: :ok | failure()
  def sync(stash), do: done(Call.run(stash, "sync", []))

  @doc "Answers once everything that was handed over before it has been done."
  @spec ping(t()) :: :ok | failure()
  def ping(stash), do: done(Call.run(stash, "ping", []))

  @doc "Figures of the stash."
  @spec stats(t()) :: {:ok, map()} | failure()
  def stats(stash), do: Call.run(stash, "stats", [])

  @doc "Checks every row. Answers what it found."
  @spec verify(t()) :: {:ok, map()} | failure()
  def verify(stash), do: Call.run(stash, "verify", [])

  @doc "Encrypts every row with a new data key, while others read and write. Answers a report."
  @spec rotate_key(t()) :: {:ok, map()} | failure()
  def rotate_key(stash), do: Call.run(stash, "rotate_key", [])

  @doc "From then on an encrypted stash opens with that key only, of 32 bytes."
  @spec change_key(t(), binary()) :: :ok | failure()
  def change_key(stash, key),
    do: Call.refusable(fn -> done(Call.run(stash, "change_key", [Options.bytes(key)])) end)

  @doc "From then on an encrypted stash opens with that passphrase only."
  @spec change_passphrase(t(), String.t()) :: :ok | failure()
  def change_passphrase(stash, passphrase), do: done(Call.run(stash, "change_passphrase", [passphrase]))

  @doc "Gives unused space back to the file system."
  @spec compact(t()) :: {:ok, map()} | failure()
  def compact(stash), do: Call.run(stash, "compact", [])

  @doc "Copies the stash as of one moment to a directory that is missing or empty."
  @spec backup(t(), Path.t()) :: {:ok, map()} | failure()
  def backup(stash, directory), do: Call.run(stash, "backup", [Path.expand(directory)])

  @doc "Writes all rows, or those of a `:prefix`, to a new file as JSON Lines."
  @spec export(t(), Path.t(), keyword()) :: {:ok, map()} | failure()
  def export(stash, file, options \\ []),
    do: Call.refusable(fn -> Call.run(stash, "export", [Path.expand(file), Options.scan(options)]) end)

  @doc "Stores the rows of a file that `export/3` wrote. With `keep_versions: true` their versions are kept."
  @spec import_from(t(), Path.t(), keyword()) :: {:ok, map()} | failure()
  def import_from(stash, file, options \\ []) do
    keep? = Keyword.get(options, :keep_versions, false)
    Call.run(stash, "import", [Path.expand(file), %{"keep_versions" => keep?}])
  end

  types = %{stash: quote(do: t()), key: quote(do: key()), options: quote(do: keyword())}

  for {name, arguments} <- [
        get: [:stash, :key],
        set: [:stash, :key, :value],
        set: [:stash, :key, :value, :options],
        set_versioned: [:stash, :key, :value, :options],
        add: [:stash, :key, :value],
        add: [:stash, :key, :value, :options],
        replace: [:stash, :key, :value],
        replace: [:stash, :key, :value, :options],
        compare_and_set: [:stash, :key, :expected, :value],
        delete: [:stash, :key],
        take: [:stash, :key],
        exists: [:stash, :key],
        entry: [:stash, :key],
        increment: [:stash, :key],
        increment: [:stash, :key, :by],
        increment_float: [:stash, :key, :by],
        expires_at: [:stash, :key],
        ttl: [:stash, :key],
        expire: [:stash, :key, :options],
        persist: [:stash, :key],
        touch: [:stash, :key],
        check: [:stash, :key, :condition],
        get_many: [:stash, :keys],
        set_many: [:stash, :pairs],
        delete_many: [:stash, :keys],
        batch: [:stash, :operations],
        transaction: [:stash, :operations],
        get_or_set: [:stash, :key, :compute],
        get_or_set: [:stash, :key, :compute, :options],
        len: [:stash],
        clear: [:stash],
        sweep: [:stash],
        buckets: [:stash],
        drop_bucket: [:stash, :name],
        subscribe: [:stash, :options],
        sync: [:stash],
        stats: [:stash],
        verify: [:stash],
        backup: [:stash, :directory]
      ] do
    variables = Enum.map(arguments, &Macro.var(&1, __MODULE__))
    specs = Enum.map(arguments, &Map.get(types, &1, quote(do: term())))

    @doc "As `#{name}/#{length(arguments)}`, but returns the bare result and raises `LiteStash.Error`."
    @spec unquote(:"#{name}!")(unquote_splicing(specs)) :: term()
    def unquote(:"#{name}!")(unquote_splicing(variables)),
      do: bare(unquote(name)(unquote_splicing(variables)))
  end

  defp bare({:ok, result}), do: result
  defp bare({:error, error}), do: raise(error)
  defp bare(other), do: other

  defp done({:ok, _}), do: :ok
  defp done(error), do: error

  defp or_nil(:miss), do: {:ok, nil}
  defp or_nil(answer), do: answer

  defp results(operations, results) do
    operations
    |> Enum.zip(results)
    |> Enum.map(fn {operation, result} -> Batch.result(elem(operation, 0), result) end)
  end
end
