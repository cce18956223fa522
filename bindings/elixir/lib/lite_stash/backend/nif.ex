defmodule LiteStash.Backend.Nif do
  @moduledoc false
  # The engine in this virtual machine.
  #
  # What is in memory is answered on the scheduler of the caller. Other reads run on a dirty I/O scheduler. Writes of one
  # key are left to a thread of the stash, which does all that waits in one transaction and answers by message; what is
  # more than that is handed to the session's thread, which does it in its order.

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
    case call_queued(handle, nil, "close", [], nil) do
      {:ok, _} -> :ok
      {:error, %Error{kind: :closed}} -> :ok
      error -> error
    end
  end

  @impl true
  def get(handle, bucket, key) do
    place = Backend.place(bucket)

    case Native.peek(handle, place, key) do
      :unknown -> told(Native.get(handle, place, key))
      answer -> told(answer)
    end
  end

  @impl true
  def set(handle, bucket, key, value) do
    reference = make_ref()

    case Native.store(handle, reference, Backend.place(bucket), key, value) do
      :done ->
        {:ok, nil}

      :ok ->
        receive do
          {^reference, :ok} -> {:ok, nil}
          {^reference, error} -> told(error)
        end

      :protocol ->
        with {:ok, value} <- Value.prepare(value), do: set(handle, bucket, key, value)

      :large ->
        call_queued(handle, bucket, "set", [key, value], nil)

      error ->
        told(error)
    end
  end

  @impl true
  def call(handle, bucket, operation, arguments, id \\ nil)

  def call(handle, bucket, operation, arguments, nil) when operation in @reads do
    with {:ok, payload} <- encode([1, Backend.name(bucket, operation) | arguments]) do
      handle |> Native.perform(payload) |> decode() |> Backend.answer()
    end
  end

  def call(handle, bucket, operation, arguments, nil) when operation in @writes do
    id = Backend.id()

    with {:ok, payload} <- encode([id, Backend.name(bucket, operation) | arguments]) do
      reference = make_ref()

      case byte_size(payload) <= @quick_bytes and Native.write(handle, reference, payload) do
        :ok -> receive do: ({^reference, answer} -> answer |> decode() |> Backend.answer())
        false -> queue(handle, id, payload)
        {:error, _} = error -> told(error)
        answer -> answer |> decode() |> Backend.answer()
      end
    end
  end

  def call(handle, bucket, operation, arguments, id),
    do: call_queued(handle, bucket, operation, arguments, id)

  defp call_queued(handle, bucket, operation, arguments, id) do
    id = id || Backend.id()

    with {:ok, payload} <- encode([id, Backend.name(bucket, operation) | arguments]),
         do: queue(handle, id, payload)
  end

  defp queue(handle, id, payload) do
    reference = make_ref()

    case submit(handle, id, reference, payload) do
      :ok -> receive do: ({^reference, answer} -> answer |> decode() |> Backend.answer())
      :ended -> Backend.closed()
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
    call_queued(handle, nil, "unsubscribe", [id], nil)
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
