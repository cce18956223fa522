defmodule LiteStash.ComputeTest do
  use LiteStash.Case, async: true

  test "one process computes, all get the value", %{stash: stash} do
    counter = :counters.new(1, [])

    compute = fn ->
      :counters.add(counter, 1, 1)
      Process.sleep(50)
      %{answer: 42}
    end

    results =
      1..50
      |> Enum.map(fn _ -> Task.async(fn -> LiteStash.get_or_set(stash, :k, compute, ttl: {1, :hour}) end) end)
      |> Task.await_many(20_000)

    assert Enum.uniq(results) == [{:ok, %{"answer" => 42}}]
    assert :counters.get(counter, 1) == 1
    assert {:ok, left} = LiteStash.ttl(stash, "k")
    assert is_integer(left)
    assert :sys.get_state(stash).computing == %{}
  end

  test "a nil is a value", %{stash: stash} do
    assert LiteStash.get_or_set(stash, "k", fn -> nil end) == {:ok, nil}
    assert LiteStash.get_or_set(stash, "k", fn -> flunk("it is stored") end) == {:ok, nil}
  end

  test "an exception is that of the process that computed; the others are told", %{stash: stash} do
    {leader, _} =
      spawn_monitor(fn -> LiteStash.get_or_set(stash, "k", fn -> wait_and(fn -> raise "no" end) end) end)

    waiting = after_begin(stash, 1, fn -> LiteStash.get_or_set(stash, "k", fn -> 1 end) end)
    send(leader, :go)
    assert {:error, %Error{kind: :compute_failed}} = Task.await(waiting)
    assert LiteStash.get_or_set(stash, "k", fn -> 2 end) == {:ok, 2}
    assert_raise RuntimeError, "no", fn -> LiteStash.get_or_set(stash, "other", fn -> raise "no" end) end
    assert {:error, %Error{kind: :invalid_value}} = LiteStash.get_or_set(stash, "other", fn -> {1} end)
  end

  test "if the process that computes is killed, one who waited does", %{stash: stash} do
    {leader, _} = spawn_monitor(fn -> LiteStash.get_or_set(stash, "k", fn -> wait_and(fn -> 0 end) end) end)
    waiting = after_begin(stash, 1, fn -> LiteStash.get_or_set(stash, "k", fn -> 1 end) end)
    Process.exit(leader, :kill)
    assert Task.await(waiting) == {:ok, 1}
  end

  test "a computation that asks for its own key is refused", %{stash: stash} do
    inner = fn -> LiteStash.get_or_set(stash, "k", fn -> 1 end) end
    assert {:ok, "invalid_argument"} = LiteStash.get_or_set(stash, "k", fn -> elem(inner.(), 1).kind end)
  end

  defp wait_and(f), do: receive(do: (:go -> f.()))

  # A task that is known to wait for a computation that runs.
  defp after_begin(stash, count, f) do
    eventually(fn -> map_size(:sys.get_state(stash).computing) == count end)
    task = Task.async(f)
    eventually(fn -> Enum.any?(:sys.get_state(stash).computing, fn {_, it} -> it.waiting != [] end) end)
    task
  end
end
