defmodule LiteStash.Error do
  @moduledoc """
  What a failed operation answers, and what the functions with a `!` raise.

    * `:kind` - the error's name as an atom, such as `:busy`; all of them are in `t:LiteStash.ErrorTable.kind/0`
    * `:number` - its number, the same in every language
    * `:retry` - what the same call does when it is made again: `:never`, `:later`, `:after_reading`, `:after_repair`
    * `:message` - a text for people. It may change and holds neither keys nor values
  """

  alias LiteStash.ErrorTable

  defexception [:kind, :number, :retry, :message]

  @type t :: %__MODULE__{
          kind: ErrorTable.kind(),
          number: pos_integer(),
          retry: :never | :later | :after_reading | :after_repair,
          message: String.t()
        }

  @doc "The error of that kind."
  @spec new(ErrorTable.kind(), String.t()) :: t()
  def new(kind, message) when is_atom(kind), do: kind |> ErrorTable.number() |> from_number(message)

  @doc "The error of that number; one of a newer engine that has no name here is `:internal`."
  @spec from_number(pos_integer(), String.t()) :: t()
  def from_number(number, message) do
    {kind, retry} = ErrorTable.row(number)
    %__MODULE__{kind: kind, number: number, retry: retry, message: message}
  end

  @impl true
  def message(%__MODULE__{kind: kind, message: message}), do: "#{kind}: #{message}"
end
