defmodule LiteStash.NonFinite do
  @moduledoc """
  A float that Erlang has no number for: `:nan`, `:infinity` or `:negative_infinity`. Other languages store them; they
  are read and written as this struct. The infinities are also keys.
  """

  @enforce_keys [:kind]
  defstruct [:kind]

  @type t :: %__MODULE__{kind: :nan | :infinity | :negative_infinity}
end
