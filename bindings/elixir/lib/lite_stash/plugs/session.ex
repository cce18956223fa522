defmodule LiteStash.PlugSession do
  @moduledoc """
  Sessions of `Plug.Session` in a stash.

      plug Plug.Session, store: LiteStash.PlugSession, key: "sid", stash: MyApp.Stash

    * `:stash` - the stash or bucket; required
    * `:ttl` - how long a session lives after it was last used; default 14 days. See `t:LiteStash.duration/0`
    * `:prefix` - before a session's id in its key; default `"session:"`
    * `:format` - `:terms` (default) keeps any term as it is, in Erlang's own format, `:values` stores what
      `LiteStash.Value` says, which other languages read: atoms come back as text

  A failure of the stash is raised.
  """

  if match?({:module, _}, Code.ensure_compiled(Plug.Session.Store)) do
    @behaviour Plug.Session.Store
  end

  alias LiteStash.Terms

  # Bytes of an id.
  @id_bytes 48

  @doc false
  def init(options) do
    options = Map.new(options)
    format = Map.get(options, :format, :terms)
    format in [:terms, :values] || raise ArgumentError, "format: is :terms or :values"

    %{
      stash: Map.get(options, :stash) || raise(ArgumentError, "stash: is missing"),
      idle: Map.get(options, :ttl) || {14, :day},
      prefix: Map.get(options, :prefix, "session:"),
      format: format
    }
  end

  @doc false
  def get(_conn, id, options) when is_binary(id) do
    with true <- valid?(id),
         {:ok, value} <- fetch(options, id),
         {:ok, session} when is_map(session) <- unpack(options.format, value) do
      {id, session}
    else
      _ -> {nil, %{}}
    end
  end

  def get(_conn, _id, _options), do: {nil, %{}}

  @doc false
  def put(conn, nil, session, options) do
    id = @id_bytes |> :crypto.strong_rand_bytes() |> Base.url_encode64(padding: false)
    value = pack(options.format, session)

    case LiteStash.add!(options.stash, options.prefix <> id, value, idle: options.idle) do
      true -> id
      false -> put(conn, nil, session, options)
    end
  end

  def put(_conn, id, session, options) do
    LiteStash.set!(options.stash, options.prefix <> id, pack(options.format, session), idle: options.idle)
    id
  end

  @doc false
  def delete(_conn, id, options) do
    if valid?(id), do: LiteStash.delete!(options.stash, options.prefix <> id)
    :ok
  end

  # What the browser sends may be anything; an id of ours is 64 letters.
  defp valid?(id),
    do: is_binary(id) and byte_size(id) == 64 and match?({:ok, _}, Base.url_decode64(id, padding: false))

  defp fetch(options, id) do
    case LiteStash.fetch(options.stash, options.prefix <> id) do
      {:error, error} -> raise error
      found -> found
    end
  end

  defp pack(:terms, session), do: Terms.pack(session)
  defp pack(:values, session), do: session

  defp unpack(:terms, value), do: Terms.unpack(value)
  defp unpack(:values, value), do: {:ok, value}
end
