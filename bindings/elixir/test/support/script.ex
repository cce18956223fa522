defmodule LiteStash.Conformance.Script do
  @moduledoc false
  # Scripts of the conformance suite, through the public functions.

  import LiteStash.Conformance, only: [key!: 1, print: 1, refused: 1, to_json: 1, value!: 1]

  alias LiteStash.{Batch, Call, Conformance, Json}

  defstruct [:stash, :clock, :dir, :options]

  @doc "Prints the result of each operation."
  def run(text, dir) do
    script = Json.members(text)
    options = options(script["options"])
    state = reopen(%__MODULE__{clock: String.to_integer(script["clock"]), dir: dir, options: options})
    state = Enum.reduce(Json.elements(script["operations"]), state, &operation/2)
    LiteStash.close(state.stash)
  end

  defp options(nil), do: %{}

  defp options(text) do
    {limits, options} = text |> Json.members() |> Map.pop("limits", "{}")
    limits = for {name, value} <- Json.members(limits), into: %{}, do: {limit(name), value!(value)}
    options |> Map.new(fn {name, value} -> {name, value!(value)} end) |> Map.merge(limits)
  end

  defp limit("rows"), do: "max_rows"
  defp limit(name), do: name

  defp reopen(state) do
    {:ok, stash} = Conformance.open(state.dir, state.clock, state.options)
    %{state | stash: stash}
  end

  defp operation(text, state) do
    given = Json.members(text)

    case Json.text(given["op"]) do
      "reopen" ->
        LiteStash.close(state.stash)
        print("null")
        reopen(state)

      "tick" ->
        us = String.to_integer(given["us"])
        {:ok, nil} = Call.run(state.stash, "tick", [us])
        print("null")
        %{state | clock: state.clock + us}

      op ->
        print(result(op, given, state.stash))
        state
    end
  end

  defp result(op, given, stash) do
    perform(op, given, target(op, given, stash))
  catch
    {:refused, error} -> refused(error)
  end

  defp target(op, %{"bucket" => name}, stash) when op != "drop_bucket",
    do: LiteStash.bucket(stash, Json.text(name))

  defp target(_, _, stash), do: stash

  # On one key: the function's answer is that of a batch of one.
  @single ~w(get take exists delete entry persist touch ttl set add replace compare_and_set increment increment_float
             expire check)

  defp perform(op, given, stash) when op in @single do
    [name | arguments] = op |> single(given) |> Batch.request()
    told(op, Batch.result(String.to_existing_atom(op), pair(answer(op, stash, name, arguments))))
  end

  defp perform("get_many", given, stash) do
    keys = given["keys"] |> Json.elements() |> Enum.map(&key!/1)
    found = ok!(LiteStash.get_many(stash, keys))
    list(keys, &if(is_map_key(found, &1), do: value(found[&1]), else: "null"))
  end

  defp perform("set_many", given, stash) do
    pairs =
      for item <- Json.elements(given["items"]) do
        [key, value] = Json.elements(item)
        {key!(key), value!(value)}
      end

    list(ok!(LiteStash.set_many(stash, pairs)), &to_string/1)
  end

  defp perform("delete_many", given, stash) do
    keys = given["keys"] |> Json.elements() |> Enum.map(&key!/1)
    list(ok!(LiteStash.delete_many(stash, keys)), &to_string/1)
  end

  defp perform("apply", given, stash) do
    planned =
      for text <- Json.elements(given["operations"]) do
        try do
          members = Json.members(text)
          op = Json.text(members["op"])
          operation = single(op, members)
          _ = Batch.request(operation)
          {op, operation}
        catch
          {:refused, error} -> {:refused, error}
        end
      end

    tried = for {op, operation} when op != :refused <- planned, do: operation
    results = ok!(LiteStash.batch(stash, tried))

    {shown, []} =
      Enum.map_reduce(planned, results, fn
        {:refused, error}, results -> {refused(error), results}
        {_, _}, [{:error, error} | results] -> {refused(error), results}
        {op, _}, [result | results] -> {told(op, result), results}
      end)

    list(shown, & &1)
  end

  defp perform("transaction", given, stash) do
    operations = given["operations"] |> Json.elements() |> Enum.map(&Json.members/1)
    names = Enum.map(operations, &Json.text(&1["op"]))
    operations = names |> Enum.zip(operations) |> Enum.map(fn {op, members} -> single(op, members) end)

    case LiteStash.transaction(stash, operations) do
      {:ok, results} ->
        ~s({"committed":#{names |> Enum.zip(results) |> list(fn {op, result} -> told(op, result) end)}})

      {:refused, index} ->
        ~s({"refused":#{index}})

      {:error, error} ->
        refused(error)
    end
  end

  defp perform(op, given, stash) when op in ["keys", "values"],
    do: list(apply(LiteStash, String.to_existing_atom(op), [stash, scan(given)]), &to_json/1)

  defp perform("items", given, stash),
    do: list(LiteStash.items(stash, scan(given)), fn {key, value} -> list([key, value], &to_json/1) end)

  defp perform("len", _, stash), do: to_string(ok!(LiteStash.len(stash)))

  defp perform("clear", _, stash) do
    :ok = LiteStash.clear(stash)
    "null"
  end

  defp perform("sweep", _, stash) do
    report = ok!(LiteStash.sweep(stash))
    ~s({"rows":#{report["rows"]},"hints":#{report["hints"]}})
  end

  defp perform("expire_older_than", given, stash) do
    age = {String.to_integer(given["age_us"]), :microsecond}
    to_string(ok!(LiteStash.expire_older_than(stash, age, scan(given))))
  end

  defp perform("buckets", _, stash), do: list(ok!(LiteStash.buckets(stash)), &to_json/1)

  defp perform("drop_bucket", given, stash),
    do: to_string(ok!(LiteStash.drop_bucket(stash, Json.text(given["bucket"]))))

  defp perform("watch", given, stash) do
    ok!(Call.run(stash, "watch", [String.to_integer(given["us"])]))
    "null"
  end

  # `get` has a way of its own, which is the one to test.
  defp answer("get", stash, _, [key | _]), do: Call.get(stash, key)
  defp answer(_, stash, name, [key | arguments]), do: Call.one(stash, name, key, arguments)

  defp pair({:ok, result}), do: [0, result]
  defp pair(:miss), do: [2, nil]
  defp pair({:error, error}), do: throw({:refused, error})

  # The tuple that `LiteStash.batch/2` takes.
  defp single(op, given) do
    key = key!(given["key"])
    value = fn name -> value!(given[name]) end

    case op do
      "set" ->
        {:set, key, value.("value"), options_of(given)}

      op when op in ["add", "replace"] ->
        {String.to_existing_atom(op), key, value.("value"), options_of(given)}

      "compare_and_set" ->
        {:compare_and_set, key, expected(given), value.("value")}

      "increment" ->
        {:increment, key, value.("by")}

      "increment_float" ->
        {:increment_float, key, value.("by")}

      "expire" ->
        {:expire, key, options_of(given)}

      "check" ->
        {:check, key, condition(given)}

      op ->
        {String.to_existing_atom(op), key}
    end
  end

  defp expected(%{"expected" => expected}), do: {:value, value!(expected)}
  defp expected(_), do: :absent

  defp condition(%{"expected" => expected}), do: {:value, value!(expected)}
  defp condition(given), do: given |> options_of() |> Keyword.get(:if)

  defp options_of(given) do
    Enum.flat_map(given, fn
      {"ttl_us", us} -> [ttl: {String.to_integer(us), :microsecond}]
      {"idle_us", us} -> [idle: {String.to_integer(us), :microsecond}]
      {"expires_at", "null"} -> [ttl: :infinity]
      {"expires_at", at} -> [expires_at: String.to_integer(at)]
      {"keep_ttl", keep} -> [keep_ttl: keep == "true"]
      {"if", "{" <> _ = condition} -> [if: {:version, String.to_integer(Json.members(condition)["version"])}]
      {"if", condition} -> [if: String.to_existing_atom(Json.text(condition))]
      _ -> []
    end)
  end

  defp scan(given) do
    Enum.flat_map(given, fn
      {"prefix", prefix} -> [prefix: Json.text(prefix)]
      {"limit", limit} -> [limit: String.to_integer(limit)]
      _ -> []
    end)
  end

  defp told(op, {:ok, result}) when op in ["get", "take"], do: value(result)
  defp told(op, :miss) when op in ["get", "take", "entry", "ttl"], do: "null"
  defp told("ttl", {:ok, at}), do: ~s({"expires_at":#{at || "null"}})

  defp told("entry", {:ok, entry}) do
    idle = if entry.idle_us, do: ~s(,"idle_us":#{entry.idle_us}), else: ""
    at = entry.expires_at || "null"

    ~s({"value":#{to_json(entry.value)},"version":#{entry.version},"expires_at":#{at},"size":#{entry.size}#{idle}})
  end

  defp told(_, {:ok, result}), do: to_json(result)

  defp value(value), do: ~s({"value":#{to_json(value)}})

  defp list(elements, show), do: "[" <> Enum.map_join(elements, ",", show) <> "]"

  defp ok!({:ok, result}), do: result
  defp ok!({:error, error}), do: throw({:refused, error})
end
