defmodule LiteStash.Terms do
  @moduledoc false
  # Terms of any kind, for interfaces that promise to give back what they were given: as bytes in Erlang's external
  # format. No other language reads those.

  alias LiteStash.Bytes

  @doc "A value that holds the term."
  def pack(term), do: %Bytes{data: :erlang.term_to_binary(term, [:deterministic])}

  @doc "The term that a value holds. No atoms and functions are made of it: `:error` if it needs that, or is none."
  def unpack(%Bytes{data: data}), do: unpack(data)

  def unpack(data) when is_binary(data) do
    {:ok, :erlang.binary_to_term(data, [:safe])}
  rescue
    ArgumentError -> :error
  end

  def unpack(_), do: :error
end
