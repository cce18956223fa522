defmodule LiteStash.Backend.Nif do
  @moduledoc false
  # The engine in this virtual machine.
  #
  # What is in memory is answered on the scheduler of the caller. What may touch a file runs on a dirty I/O scheduler,
  # one writer at a time for each stash; whoever comes meanwhile is handed to the session's thread, which does all
  # that waits in one transaction and answers by message.

  @behaviour LiteStash.Backend

  alias LiteStash.{Backend, Error, Native, Value}

  # Operations on one key that only read, and those that write.
  @reads ~w(get exists entry ttl)
  @writes ~w(set add replace delete take increment increment_float compare_and_set expire persist touch check)

  # Bytes that are copied on a normal scheduler.
  @quick_bytes 65_536

  @impl true
  def open(hello, _options) do
    if Native.loaded?() do
      with {:ok, payload} <- encode([Backend.id(), "hello", hello]) do
        case Native.open(payload) do
          {:ok, handle, _answer} -> {:ok, handle}
          {:error, answer} -> answer |> decode() |> Backend.answer()
        end
      end
    else
      message = "the native library is not there; mode: :port needs none"
      {:error, Error.new(:invalid_argument, message)}
    end
  end

  @impl true
  def close(handle) do
    case call(handle, nil, "close", []) do
      {:ok, _} -> :ok
      {:error, %Error{kind: :closed}} -> :ok
      error -> error
    end
  end

  @impl true
  def get(handle, bucket, key) do
    case Native.peek(handle, bucket, key) do
      :unknown -> told(Native.get(handle, bucket, key))
      answer -> told(answer)
    end
  end

  @impl true
  def set(handle, bucket, key, value) do
    case Native.turn(handle) do
      0 -> call_queued(handle, bucket, "set", [key, value])
      turn -> set(handle, turn, bucket, key, value)
    end
  end

  defp set(handle, turn, bucket, key, value) do
    case Native.set(handle, turn, bucket, key, value) do
      :ok -> {:ok, nil}
      :protocol -> with {:ok, value} <- Value.prepare(value), do: set(handle, turn, bucket, key, value)
      error -> told(error)
    end
  end

  @impl true
  def call(handle, bucket, operation, arguments) when operation in @reads do
    with {:ok, payload} <- encode([1, Backend.name(bucket, operation) | arguments]) do
      handle |> Native.perform(0, payload) |> decode() |> Backend.answer()
    end
  end

  def call(handle, bucket, operation, arguments) when operation in @writes do
    case Native.turn(handle) do
      0 ->
        call_queued(handle, bucket, operation, arguments)

      turn ->
        with {:ok, payload} <- encode([1, Backend.name(bucket, operation) | arguments]) do
          handle |> Native.perform(turn, payload) |> decode() |> Backend.answer()
        end
    end
  end

  def call(handle, bucket, operation, arguments), do: call_queued(handle, bucket, operation, arguments)

  defp call_queued(handle, bucket, operation, arguments) do
    id = Backend.id()

    with {:ok, payload} <- encode([id, Backend.name(bucket, operation) | arguments]) do
      reference = make_ref()

      case submit(handle, id, reference, payload) do
        :ok ->
          receive do
            {^reference, answer} -> answer |> decode() |> Backend.answer()
          end

        :ended ->
          Backend.closed()
      end
    end
  end

  defp submit(handle, id, reference, payload) when byte_size(payload) <= @quick_bytes,
    do: Native.submit(handle, id, reference, payload, false)

  defp submit(handle, id, reference, payload), do: Native.submit_large(handle, id, reference, payload)

  @impl true
  def subscribe(handle, id, reference, bucket, arguments) do
    with {:ok, payload} <- encode([id, Backend.name(bucket, "subscribe") | arguments]) do
      case Native.submit(handle, id, reference, payload, true) do
        :ok -> :ok
        :ended -> Backend.closed()
      end
    end
  end

  @impl true
  def unsubscribe(handle, id) do
    call_queued(handle, nil, "unsubscribe", [id])
    Native.forget(handle, id)
    :ok
  end

  @impl true
  def lost?(_handle, _message), do: false

  defp encode(term) do
    case Native.encode(term) do
      {:ok, _} = encoded -> encoded
      :large -> encode_large(term)
      :protocol -> with {:ok, term} <- Value.prepare(term), do: encode(term)
      error -> told(error)
    end
  end

  defp encode_large(term) do
    case Native.encode_large(term) do
      {:ok, _} = encoded -> encoded
      :protocol -> with {:ok, term} <- Value.prepare(term), do: encode_large(term)
      error -> told(error)
    end
  end

  defp decode(payload) do
    case Native.decode(payload) do
      {:ok, term} ->
        term

      :large ->
        {:ok, term} = Native.decode_large(payload)
        term
    end
  end

  defp told({:error, {number, message}}), do: {:error, Error.from_number(number, message)}
  defp told(answer), do: answer
end
