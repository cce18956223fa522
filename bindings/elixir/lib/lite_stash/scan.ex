defmodule LiteStash.Scan do
  @moduledoc false
  # Listings, page by page.

  alias LiteStash.{Call, Error, Options}

  @spec page(LiteStash.t(), String.t(), keyword()) :: {:ok, map()} | {:error, Error.t()}
  def page(stash, operation, options) do
    Call.refusable(fn ->
      with {:ok, page} <- Call.run(stash, operation, [Options.scan(options)]) do
        {:ok, %{items: rows(operation, page["items"]), cursor: page["cursor"], errors: page["errors"]}}
      end
    end)
  end

  @spec stream(LiteStash.t(), String.t(), keyword()) :: Enumerable.t()
  def stream(stash, operation, options) do
    {damaged, options} = Keyword.pop(options, :damaged, :raise)
    {limit, options} = Keyword.pop(options, :limit)
    {size, options} = Keyword.pop(options, :page, 256)
    rows = Stream.resource(fn -> "" end, &next(stash, operation, options, size, damaged, &1), fn _ -> :ok end)
    if limit, do: Stream.take(rows, limit), else: rows
  end

  defp next(_, _, _, _, _, nil), do: {:halt, nil}
  defp next(_, _, _, _, _, {:damaged, message}), do: raise(Error.new(:corrupt, message))

  defp next(stash, operation, options, size, damaged, cursor) do
    case page(stash, operation, [cursor: cursor, limit: size] ++ options) do
      # What is whole comes first, then the error.
      {:ok, %{items: items, errors: [message | _]}} when damaged == :raise -> {items, {:damaged, message}}
      {:ok, %{items: items, cursor: cursor}} -> {items, cursor}
      {:error, error} -> raise error
    end
  end

  defp rows("items", items), do: Enum.map(items, fn [key, value] -> {key, value} end)
  defp rows(_, items), do: items
end

defimpl Enumerable, for: LiteStash do
  # The items of a stash.

  def reduce(stash, accumulator, f), do: Enumerable.reduce(LiteStash.items(stash), accumulator, f)

  def count(stash), do: {:ok, LiteStash.len!(stash)}

  def member?(stash, {key, value}), do: {:ok, LiteStash.fetch(stash, key) == {:ok, value}}
  def member?(_, _), do: {:ok, false}

  # The order is that of the keys' hashes, and there is no way to the n-th of them.
  def slice(_), do: {:error, __MODULE__}
end
