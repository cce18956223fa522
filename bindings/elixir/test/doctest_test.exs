defmodule LiteStash.DoctestTest do
  use ExUnit.Case, async: true

  doctest LiteStash
  doctest LiteStash.Bytes
  doctest LiteStash.Value
  doctest LiteStash.Vector
end
