defmodule LiteStash.Bytes do
  @moduledoc """
  Bytes that happen to be valid UTF-8.

  A binary that is valid UTF-8 is stored as text, any other one as bytes. Wrap a binary in this struct to store it as
  bytes whatever it holds, as a key or in a value. What was stored as bytes and is valid UTF-8 is read back in this
  struct, so that writing it again changes nothing.

      iex> {:ok, encoded} = LiteStash.Value.encode(%LiteStash.Bytes{data: "abc"})
      iex> encoded
      <<0xC4, 3, "abc">>
  """

  @enforce_keys [:data]
  defstruct [:data]

  @type t :: %__MODULE__{data: binary()}
end
