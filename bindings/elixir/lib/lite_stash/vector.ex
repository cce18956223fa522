defmodule LiteStash.Vector do
  @moduledoc """
  A vector of 32-bit floats, such as an embedding. It takes 4 bytes for each number.

  `:data` has them in little-endian order, which is what numerical libraries take and give.

      iex> vector = LiteStash.Vector.new([1.0, -0.5])
      iex> LiteStash.Vector.to_list(vector)
      [1.0, -0.5]
      iex> LiteStash.Vector.size(vector)
      2
  """

  @enforce_keys [:data]
  defstruct [:data]

  @type t :: %__MODULE__{data: binary()}

  @doc "The vector of those numbers, each rounded to 32 bits. Raises `ArgumentError` for one that has no 32-bit form."
  @spec new([number()]) :: t()
  def new(numbers), do: %__MODULE__{data: for(number <- numbers, into: <<>>, do: <<number::float-little-32>>)}

  @doc "The numbers; what is not finite comes as `t:LiteStash.NonFinite.t/0`."
  @spec to_list(t()) :: [float() | LiteStash.NonFinite.t()]
  def to_list(%__MODULE__{data: data}), do: for(<<chunk::binary-4 <- data>>, do: number(chunk))

  @doc "How many numbers it has."
  @spec size(t()) :: non_neg_integer()
  def size(%__MODULE__{data: data}), do: div(byte_size(data), 4)

  defp number(<<float::float-little-32>>), do: float
  defp number(<<0x7F800000::little-32>>), do: %LiteStash.NonFinite{kind: :infinity}
  defp number(<<0xFF800000::little-32>>), do: %LiteStash.NonFinite{kind: :negative_infinity}
  defp number(_), do: %LiteStash.NonFinite{kind: :nan}
end
