defmodule LiteStash.Timestamp do
  @moduledoc """
  A moment that no `DateTime` can hold: one with nanoseconds, or outside the years 0 to 9999. All others are read as
  `DateTime`.

    * `:seconds` - since 1970-01-01T00:00:00Z, rounded down
    * `:nanoseconds` - after that, 0 to 999 999 999
  """

  @enforce_keys [:seconds, :nanoseconds]
  defstruct [:seconds, :nanoseconds]

  @type t :: %__MODULE__{seconds: integer(), nanoseconds: 0..999_999_999}
end
