defmodule LiteStash.Call do
  @moduledoc false
  # From a public function to the backend of a stash.

  alias LiteStash.{Backend, Bytes, Error, NonFinite, Server}

  defguardp is_key(key)
            when is_binary(key) or is_atom(key) or is_float(key) or is_struct(key, Bytes) or
                   is_struct(key, NonFinite) or
                   (is_integer(key) and key >= -0x8000000000000000 and key <= 0x7FFFFFFFFFFFFFFF)

  @doc "Reads a key."
  def get(stash, key) when is_key(key) do
    {server, bucket} = target(stash)

    case Server.connection(server) do
      %{telemetry?: false, backend: backend, state: state} -> backend.get(state, bucket, key)
      nil -> Backend.closed()
      connection -> observed(connection, stash, "get", & &1.get(&2, bucket, key))
    end
  end

  def get(_, _), do: invalid_key()

  @doc "Stores a plain value."
  def set(stash, key, value) when is_key(key) do
    {server, bucket} = target(stash)

    case Server.connection(server) do
      %{telemetry?: false, backend: backend, state: state} -> backend.set(state, bucket, key, value)
      nil -> Backend.closed()
      connection -> observed(connection, stash, "set", & &1.set(&2, bucket, key, value))
    end
  end

  def set(_, _, _), do: invalid_key()

  @doc "An operation on one key."
  def one(stash, operation, key, arguments \\ [])
  def one(stash, operation, key, arguments) when is_key(key), do: run(stash, operation, [key | arguments])
  def one(_, _, _, _), do: invalid_key()

  @doc "Any operation, in a request of that number if it matters."
  def run(stash, operation, arguments, id \\ nil) do
    {server, bucket} = target(stash)

    case Server.connection(server) do
      nil -> Backend.closed()
      connection -> observed(connection, stash, operation, & &1.call(&2, bucket, operation, arguments, id))
    end
  end

  @doc "The keys of a batch, or an error."
  def check_keys(keys), do: if(Enum.all?(keys, &key?/1), do: :ok, else: invalid_key())

  @doc "Whether a term may be a key."
  def key?(key) when is_key(key), do: true
  def key?(_), do: false

  @doc "What a term that is no key answers."
  def invalid_key, do: {:error, Error.new(:invalid_key, "a key is text, an integer, a float or bytes")}

  @doc "The server and the place of the bucket of a stash."
  def target(%LiteStash{server: server, place: place}), do: {server, place}
  def target(server), do: {server, nil}

  @doc "The name of the bucket of that place."
  def bucket_name(nil), do: nil
  def bucket_name({[name, _options], _}), do: name
  def bucket_name({name, _}), do: name

  @doc "Calls a function that may refuse its arguments by a throw."
  def refusable(f) do
    f.()
  catch
    {:refused, error} -> {:error, error}
  end

  defp observed(%{telemetry?: false} = connection, _stash, _operation, f),
    do: f.(connection.backend, connection.state)

  defp observed(connection, stash, operation, f) do
    began = System.monotonic_time()
    answer = f.(connection.backend, connection.state)
    measurements = %{duration: System.monotonic_time() - began}
    metadata = %{stash: stash, operation: operation, result: result(answer)}
    apply(:telemetry, :execute, [[:litestash, :operation, :stop], measurements, metadata])
    answer
  end

  defp result({:ok, _}), do: :ok
  defp result(:miss), do: :miss
  defp result({:error, %Error{kind: kind}}), do: {:error, kind}
end
