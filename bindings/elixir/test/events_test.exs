defmodule LiteStash.EventsTest do
  use LiteStash.Case, async: true

  alias LiteStash.Event

  test "what happens is told after it has", %{stash: stash} do
    {:ok, reference} = LiteStash.subscribe(stash)
    :ok = LiteStash.set(stash, "k", 1)

    assert_receive {LiteStash, ^reference,
                    %Event{kind: :set, key: "k", own: true, missed: 0, version: version}},
                   5000

    assert {:ok, %{version: ^version}} = LiteStash.entry(stash, "k")
    {:ok, true} = LiteStash.delete(stash, "k")
    assert_receive {LiteStash, ^reference, %Event{kind: :delete, key: "k"}}, 5000
    :ok = LiteStash.set(stash, :a, 1, ttl: {50, :microsecond})
    :ok = LiteStash.clear(stash)
    assert_receive {LiteStash, ^reference, %Event{kind: kind}} when kind in [:clear, :expire], 5000
    assert LiteStash.unsubscribe(stash, reference) == true
    assert LiteStash.unsubscribe(stash, reference) == false
    :ok = LiteStash.set(stash, "k", 2)
    assert LiteStash.ping(stash) == :ok
    refute_received {LiteStash, ^reference, %Event{key: "k", kind: :set}}
  end

  test "filters", %{stash: stash} do
    {:ok, one} = LiteStash.subscribe(stash, key: "user:1", kinds: [:set])
    {:ok, some} = LiteStash.subscribe(stash, prefix: "user:", kinds: [:delete])
    {:ok, inner} = stash |> LiteStash.bucket("b") |> LiteStash.subscribe()
    :ok = LiteStash.set(stash, "user:1", 1)
    :ok = LiteStash.set(stash, "user:2", 1)
    {:ok, true} = LiteStash.delete(stash, "user:2")
    :ok = stash |> LiteStash.bucket("b") |> LiteStash.set("user:1", 1)
    assert_receive {LiteStash, ^one, %Event{key: "user:1"}}, 5000
    assert_receive {LiteStash, ^some, %Event{key: "user:2"}}, 5000
    assert_receive {LiteStash, ^inner, %Event{key: "user:1"}}, 5000
    refute_received {LiteStash, _, _}
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.subscribe(stash, kinds: [:never])
    assert {:error, %Error{kind: :invalid_argument}} = LiteStash.subscribe(stash, key: "a", prefix: "b")
  end

  test "another process's writes", %{stash: stash, dir: dir} do
    {:ok, reference} = LiteStash.subscribe(stash, all_processes: true)
    other = start_supervised!({LiteStash, data_dir: dir, mode: :port, name: :other}, id: :other)
    :ok = LiteStash.set(other, "k", 1)
    assert_receive {LiteStash, ^reference, %Event{kind: :set, key: "k", own: false}}, 10_000
  end

  test "a subscription ends with its process", %{stash: stash} do
    {pid, monitor} =
      spawn_monitor(fn ->
        {:ok, _} = LiteStash.subscribe(stash)
        :ok
      end)

    assert_receive {:DOWN, ^monitor, :process, ^pid, :normal}, 5000
    eventually(fn -> :sys.get_state(stash).subscriptions == %{} end)
  end

  test "a process that does not read gets no more than it can hold", %{stash: stash} do
    sleeper = spawn_link(fn -> sleep_subscribed(stash) end)
    eventually(fn -> map_size(:sys.get_state(stash).subscriptions) == 1 end)

    for part <- 1..12,
        do: {:ok, _} = LiteStash.set_many(stash, for(n <- 1..1000, do: {{part, n} |> inspect(), n}))

    eventually(fn -> Process.info(sleeper, :message_queue_len) == {:message_queue_len, 10_000} end)
    send(sleeper, {:report, self()})
    # What was dropped is told by the next event.
    eventually(fn ->
      :ok = LiteStash.set(stash, "one more", 1)
      receive(do: ({:missed, missed} -> missed >= 1), after: (50 -> false))
    end)
  end

  defp sleep_subscribed(stash) do
    {:ok, reference} = LiteStash.subscribe(stash)
    receive(do: ({:report, to} -> report(reference, to)))
  end

  defp report(reference, to) do
    receive do
      {LiteStash, ^reference, %Event{missed: 0}} -> report(reference, to)
      {LiteStash, ^reference, %Event{missed: missed}} -> send(to, {:missed, missed})
    end
  end
end
