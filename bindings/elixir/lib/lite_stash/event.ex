defmodule LiteStash.Event do
  @moduledoc """
  Something that happened to a key, for those who called `LiteStash.subscribe/2`.

    * `:kind` - `:set`, `:delete`, `:expire`, `:evict`, `:clear` or `:access`
    * `:key` - the key; `nil` for `:clear`
    * `:version` - the row's version, or `nil`
    * `:own` - whether this stash did it, and no other process
    * `:shard` - the shard, 0 to 15
    * `:missed` - how many events were dropped before this one, because they were not taken in time
  """

  defstruct [:kind, :key, :version, :own, :shard, missed: 0]

  @type t :: %__MODULE__{
          kind: :set | :delete | :expire | :evict | :clear | :access,
          key: LiteStash.key() | nil,
          version: integer() | nil,
          own: boolean(),
          shard: 0..15,
          missed: non_neg_integer()
        }

  @kinds %{
    "set" => :set,
    "delete" => :delete,
    "expire" => :expire,
    "evict" => :evict,
    "clear" => :clear,
    "access" => :access
  }

  @doc false
  def from_map(event) do
    %__MODULE__{
      kind: Map.get(@kinds, event["kind"]),
      key: event["key"],
      version: event["version"],
      own: event["own"],
      shard: event["shard"],
      missed: event["missed"]
    }
  end
end
