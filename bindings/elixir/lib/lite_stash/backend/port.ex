defmodule LiteStash.Backend.Port do
  @moduledoc false
  # The engine as a process beside this virtual machine (docs/ENGINE.md).

  @behaviour LiteStash.Backend

  alias LiteStash.{Backend, Error, Sidecar, Value}

  # Those that may be performed again when the engine was killed before it answered.
  @repeatable ~w(get exists entry ttl get_many keys values items len buckets stats verify ping sync begin_compute)

  @impl true
  def open(hello, options) do
    with {:ok, payload} <- Value.encode([Backend.id(), "hello", hello]) do
      case Sidecar.start_link(payload, options) do
        {:ok, _} = started -> started
        {:error, %Error{}} = error -> error
        {:error, reason} -> {:error, Error.new(:io, "the engine cannot be started: #{inspect(reason)}")}
      end
    end
  end

  @impl true
  def close(sidecar) do
    result = call(sidecar, nil, "close", [])
    Sidecar.stop(sidecar)

    case result do
      {:ok, _} -> :ok
      {:error, %Error{kind: :closed}} -> :ok
      error -> error
    end
  end

  @impl true
  def get(sidecar, bucket, key), do: call(sidecar, bucket, "get", [key])

  @impl true
  def set(sidecar, bucket, key, value), do: call(sidecar, bucket, "set", [key, value])

  @impl true
  def call(sidecar, bucket, operation, arguments, id \\ nil) do
    id = id || Backend.id()

    with {:ok, payload} <- Value.encode([id, Backend.name(bucket, operation) | arguments]) do
      case Sidecar.request(sidecar, id, payload, kind(operation)) do
        {:answer, payload} -> payload |> Value.decode() |> Backend.answer()
        {:error, _} = error -> error
      end
    end
  end

  defp kind("close"), do: :close
  defp kind(operation) when operation in @repeatable, do: :repeat
  defp kind(_), do: :once

  @impl true
  def subscribe(sidecar, id, reference, bucket, arguments) do
    with {:ok, payload} <- Value.encode([id, Backend.name(bucket, "subscribe") | arguments]) do
      Sidecar.subscribe(sidecar, id, reference, payload)
    end
  end

  @impl true
  def unsubscribe(sidecar, id) do
    call(sidecar, nil, "unsubscribe", [id])
    Sidecar.forget(sidecar, id)
  end

  @impl true
  def lost?(sidecar, {:EXIT, sidecar, _reason}), do: true
  def lost?(_sidecar, _message), do: false
end
