defmodule LiteStash.NativeTest do
  use LiteStash.Case, async: false

  alias LiteStash.{Backend, Native}

  if System.get_env("LITESTASH_MODE") == "port", do: @moduletag(:skip)

  test "a panic is an exception" do
    assert_raise ErlangError, ~r/nif_panicked/, fn -> Native.panic_now() end
    assert {:ok, _} = Native.encode(1)
  end

  test "a lock that another process holds blocks no scheduler", %{stash: stash, dir: dir} do
    :ok = LiteStash.set(stash, "k", 0)
    shards = Path.wildcard(Path.join(dir, "shard-*.db"))
    assert shards != []

    # A scheduler that a call blocks stands still for 2 s, which is 400 ticks. The machine itself delays processes for
    # some; so the ticks missed are compared with those of as long a time without a lock, and far more are allowed.
    assert Enum.any?(1..3, fn _ ->
             calm = missed_while(fn -> Process.sleep(2000) end)
             held = missed_while(fn -> write_while_held(stash, shards) end)
             held <= calm + 100
           end)
  end

  defp write_while_held(stash, shards) do
    holder = hold(shards, 2.0)
    writers = for n <- 1..100, do: Task.async(fn -> LiteStash.set(stash, "k", n) end)
    others = for n <- 1..20, do: Task.async(fn -> LiteStash.increment(stash, "n#{n}") end)
    many = Task.async(fn -> LiteStash.set_many(stash, for(n <- 1..100, do: {"m#{n}", n})) end)
    computed = Task.async(fn -> LiteStash.get_or_set(stash, System.unique_integer(), fn -> 1 end) end)
    # What is in memory is read meanwhile, and what is not is read from the files.
    assert {:ok, number} = LiteStash.get(stash, "k")
    assert is_integer(number)
    assert LiteStash.exists(stash, "nothing") == {:ok, false}
    assert Enum.all?(Task.await_many(writers, 30_000), &(&1 == :ok))
    assert Enum.all?(Task.await_many(others, 30_000), &match?({:ok, _}, &1))
    assert {:ok, _} = Task.await(many, 30_000)
    assert {:ok, 1} = Task.await(computed, 30_000)
    released(holder)
  end

  test "an answer comes once, whether it was looked for or sent", %{stash: stash} do
    :ok = LiteStash.set(stash, "text", "no number")
    large = String.duplicate("x", 100_000)

    # One process alone is answered while it looks; several find the thread at work and are sent their answers; after a
    # pause the thread sleeps.
    work = fn name, rounds ->
      for n <- 1..rounds do
        if rem(n, 100) == 0, do: Process.sleep(1)
        :ok = LiteStash.set(stash, name, n)
        assert LiteStash.get(stash, name) == {:ok, n}
        assert LiteStash.increment(stash, {:count, name} |> inspect()) == {:ok, n}
        assert {:error, %{kind: :type_mismatch}} = LiteStash.increment(stash, "text")
        taken = if rem(n, 10) == 0, do: large, else: n
        :ok = LiteStash.set(stash, {:taken, name} |> inspect(), taken)
        assert LiteStash.take(stash, {:taken, name} |> inspect()) == {:ok, taken}
      end

      assert Process.info(self(), :message_queue_len) == {:message_queue_len, 0}
    end

    work.("alone", 500)
    1..8 |> Enum.map(&Task.async(fn -> work.("n#{&1}", 100) end)) |> Task.await_many(60_000)
  end

  test "a process that is killed while its write waits harms nobody", %{stash: stash, dir: dir} do
    :ok = LiteStash.set(stash, "k", 0)
    holder = hold(Path.wildcard(Path.join(dir, "shard-*.db")), 0.5)
    {writer, monitor} = spawn_monitor(fn -> LiteStash.set(stash, "k", 1) end)
    others = for n <- 1..10, do: Task.async(fn -> LiteStash.set(stash, "n#{n}", n) end)
    Process.exit(writer, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^writer, :killed}, 5000
    assert Enum.all?(Task.await_many(others, 30_000), &(&1 == :ok))
    released(holder)
  end

  test "a handle that is forgotten closes its stash", %{dir: dir} do
    path = Path.join(dir, "forgotten")

    {pid, monitor} =
      spawn_monitor(fn ->
        hello = %{"protocol" => 1, "dir" => path}
        {:ok, handle} = Backend.Nif.open(hello, [])
        {:ok, _} = Backend.Nif.set(handle, nil, "k", 1)
      end)

    assert_receive {:DOWN, ^monitor, :process, ^pid, :normal}, 5000
    eventually(fn -> Path.wildcard(Path.join(path, "*-wal")) == [] end)
    copy = start_supervised!({LiteStash, data_dir: path}, id: :copy)
    assert LiteStash.get(copy, "k") == {:ok, 1}
  end

  test "many processes write and read at once", %{stash: stash} do
    1..200
    |> Enum.map(fn process ->
      Task.async(fn ->
        for n <- 1..50 do
          key = "#{process}:#{n}"
          :ok = LiteStash.set(stash, key, %{"n" => n})
          assert LiteStash.get(stash, key) == {:ok, %{"n" => n}}
          {:ok, _} = LiteStash.increment(stash, "all")
        end
      end)
    end)
    |> Task.await_many(60_000)

    assert LiteStash.get(stash, "all") == {:ok, 10_000}
    assert LiteStash.len(stash) == {:ok, 10_001}
  end

  # How many ticks of 5 ms a process on each scheduler misses meanwhile; the most of them.
  defp missed_while(f) do
    parent = self()

    hearts =
      for scheduler <- 1..:erlang.system_info(:schedulers_online) do
        beats = fn -> beat(System.monotonic_time(:microsecond), 0, parent) end
        :erlang.spawn_opt(beats, [:link, {:scheduler, scheduler}, {:priority, :high}])
      end

    f.()

    hearts
    |> Enum.map(fn heart ->
      send(heart, :stop)
      assert_receive {^heart, missed}, 10_000
      missed
    end)
    |> Enum.max()
  end

  defp beat(last, missed, parent) do
    receive do
      :stop -> send(parent, {self(), missed})
    after
      5 ->
        now = System.monotonic_time(:microsecond)
        beat(now, missed + div(now - last, 5000) - 1, parent)
    end
  end

  # Another process that begins a write transaction in each shard and sleeps.
  defp hold(shards, seconds) do
    program = """
    import sqlite3, sys, time
    held = [sqlite3.connect(path, isolation_level=None) for path in sys.argv[2:]]
    for one in held:
        one.execute("BEGIN IMMEDIATE")
    print("held", flush=True)
    time.sleep(float(sys.argv[1]))
    for one in held:
        one.execute("ROLLBACK")
    """

    python = System.find_executable("python3") || flunk("needs python3")
    arguments = ["-c", program, to_string(seconds) | shards]
    port = Port.open({:spawn_executable, python}, [:binary, :exit_status, args: arguments])
    assert_receive {^port, {:data, "held" <> _}}, 10_000
    port
  end

  defp released(port), do: assert_receive({^port, {:exit_status, 0}}, 10_000)
end
