defprotocol LiteStash.Encodable do
  @moduledoc """
  How a struct is stored.

  A struct has no form of its own in a stash; without an implementation of this protocol, storing one is
  `:invalid_value`. `DateTime` and the structs of this library need none.

      defimpl LiteStash.Encodable, for: MyApp.User do
        def encode(user), do: %{"id" => user.id, "name" => user.name}
      end

  What is read back is what `encode/1` returned, not the struct.
  """

  @doc "A term without that struct, such as a map with text keys."
  @spec encode(t()) :: term()
  def encode(struct)
end
