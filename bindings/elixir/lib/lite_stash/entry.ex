defmodule LiteStash.Entry do
  @moduledoc """
  A value with what the stash knows of it.

    * `:value` - the value
    * `:version` - the time of the last write in microseconds, raised where needed so that it always grows
    * `:expires_at` - the deadline as Unix time in microseconds, or `nil`
    * `:idle_us` - the window of a deadline that slides, in microseconds, or `nil`
    * `:size` - bytes of the encoded value
  """

  defstruct [:value, :version, :expires_at, :idle_us, :size]

  @type t :: %__MODULE__{
          value: term(),
          version: integer(),
          expires_at: integer() | nil,
          idle_us: pos_integer() | nil,
          size: non_neg_integer()
        }

  @doc false
  def from_map(entry) do
    %__MODULE__{
      value: entry["value"],
      version: entry["version"],
      expires_at: entry["expires_at"],
      idle_us: entry["idle_us"],
      size: entry["size"]
    }
  end
end
