defmodule LiteStash.Batch do
  @moduledoc false
  # Operations of a batch or transaction, from tuples to the protocol's form and back.

  alias LiteStash.{Call, Entry, Options}

  @doc "`[name, argument, …]`"
  @spec request(LiteStash.operation()) :: [term()]
  def request(operation) when is_tuple(operation) do
    [name, key | arguments] = Tuple.to_list(operation)
    Call.key?(key) || throw({:refused, elem(Call.invalid_key(), 1)})
    [Atom.to_string(name), key | arguments(name, arguments)]
  rescue
    MatchError -> unknown()
  end

  def request(_), do: unknown()

  @plain [:get, :exists, :entry, :ttl, :take, :delete, :persist, :touch]
  defp arguments(name, []) when name in @plain, do: []
  defp arguments(name, [value]) when name in [:set, :add, :replace], do: [value]

  defp arguments(name, [value, options]) when name in [:set, :add, :replace],
    do: [value | Options.set(options)]

  defp arguments(:increment, []), do: []
  defp arguments(:increment, [by]), do: [by]
  defp arguments(:increment_float, [by]), do: [by]
  defp arguments(:compare_and_set, [expected, value]), do: [expected(expected), value]
  defp arguments(:expire, [deadline]), do: Options.deadline(deadline)
  defp arguments(:check, [{:value, value}]), do: [[value]]
  defp arguments(:check, [condition]), do: [%{"if" => Options.condition(condition)}]
  defp arguments(_, _), do: unknown()

  @doc "What `compare_and_set` expects."
  def expected({:value, value}), do: [value]
  def expected(:absent), do: []
  def expected(_), do: Options.refuse("what is expected is {:value, value} or :absent")

  @doc "The result of an operation that was performed."
  @spec result(atom(), [term()]) :: {:ok, term()} | :miss | {:error, LiteStash.Error.t()}
  def result(name, [status, result]) do
    case LiteStash.Backend.answer([0, status, result]) do
      {:ok, entry} when name == :entry -> {:ok, Entry.from_map(entry)}
      answer -> answer
    end
  end

  defp unknown, do: Options.refuse("an operation of a batch is a tuple as LiteStash.batch/2 describes it")
end
