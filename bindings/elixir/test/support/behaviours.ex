# The callbacks of packages that cannot be fetched everywhere, as their behaviours state them, so that modules written
# for them are compiled and held against them.

defmodule Plug.Session.Store do
  @moduledoc false
  @callback init(keyword()) :: term()
  @callback get(conn :: term(), cookie :: term(), options :: term()) :: {String.t() | nil, map()}
  @callback put(conn :: term(), id :: String.t() | nil, any(), options :: term()) :: String.t()
  @callback delete(conn :: term(), id :: String.t(), options :: term()) :: :ok
end

defmodule Nebulex.Adapter do
  @moduledoc false
  @macrocallback __before_compile__(Macro.Env.t()) :: Macro.t()
  @callback init(keyword()) :: {:ok, :supervisor.child_spec() | {module(), term()} | module(), map()}
end

defmodule Nebulex.Adapter.KV do
  @moduledoc false
  @type result(type) :: {:ok, type} | {:error, Exception.t()}
  @callback fetch(map(), term(), keyword()) :: result(term())
  @callback put(map(), term(), term(), :put | :put_new | :replace, timeout(), boolean(), keyword()) ::
              result(boolean())
  @callback put_all(map(), term(), :put | :put_new, timeout(), keyword()) :: result(boolean())
  @callback delete(map(), term(), keyword()) :: :ok | {:error, Exception.t()}
  @callback take(map(), term(), keyword()) :: result(term())
  @callback update_counter(map(), term(), integer(), integer(), timeout(), keyword()) :: result(integer())
  @callback has_key?(map(), term(), keyword()) :: result(boolean())
  @callback ttl(map(), term(), keyword()) :: result(timeout())
  @callback expire(map(), term(), timeout(), keyword()) :: result(boolean())
  @callback touch(map(), term(), keyword()) :: result(boolean())
end

defmodule Nebulex.Adapter.Queryable do
  @moduledoc false
  @callback execute(map(), map(), keyword()) :: {:ok, list() | non_neg_integer()} | {:error, Exception.t()}
  @callback stream(map(), map(), keyword()) :: {:ok, Enumerable.t()} | {:error, Exception.t()}
end

defmodule Nebulex.Error do
  @moduledoc false
  defexception [:reason]
  @impl true
  def message(%{reason: reason}), do: Exception.message(reason)
end

defmodule Nebulex.KeyError do
  @moduledoc false
  defexception [:key, :reason]
  @impl true
  def message(_), do: "not found"
end

defmodule Nebulex.QueryError do
  @moduledoc false
  defexception [:message, :query]
end

defmodule :telemetry do
  @moduledoc false
  # Sends events to the processes that asked for them.
  def execute(event, measurements, metadata) do
    for pid <- :persistent_term.get(__MODULE__, []),
        do: send(pid, {:telemetry, event, measurements, metadata})

    :ok
  end

  def listen(pid), do: :persistent_term.put(__MODULE__, [pid])
end
