defmodule LiteStash.NativeTest do
  use LiteStash.Case, async: false

  alias LiteStash.{Backend, Native, Server}

  if System.get_env("LITESTASH_MODE") == "port", do: @moduletag(:skip)

  test "a panic is an exception" do
    assert_raise ErlangError, ~r/nif_panicked/, fn -> Native.panic_now() end
    assert {:ok, _} = Native.encode(1)
  end

  test "a lock that another process holds blocks no scheduler", %{stash: stash, dir: dir} do
    :ok = LiteStash.set(stash, "k", 0)
    shards = Path.wildcard(Path.join(dir, "shard-*.db"))
    assert shards != []
    heart = spawn_link(fn -> beat(System.monotonic_time(:microsecond), []) end)
    holder = hold(shards, 2.0)
    writers = for n <- 1..100, do: Task.async(fn -> LiteStash.set(stash, "k", n) end)
    others = for n <- 1..20, do: Task.async(fn -> LiteStash.increment(stash, "n#{n}") end)
    # What is in memory is read meanwhile, on a normal scheduler.
    assert LiteStash.get(stash, "k") == {:ok, 0}
    assert Enum.all?(Task.await_many(writers, 30_000), &(&1 == :ok))
    assert Enum.all?(Task.await_many(others, 30_000), &(&1 == {:ok, 1}))
    send(heart, {:stop, self()})
    assert_receive {:beats, late}, 5000
    released(holder)

    # A machine at work delays any process now and then; a scheduler that stood still would be late by two seconds.
    assert length(late) > 50
    assert Enum.max(late) < 1_000_000
  end

  test "a writer that is killed between its turn and its write gives the turn up", %{stash: stash} do
    %{state: handle} = Server.connection(stash)
    assert Native.turn(handle) > 0
    assert Native.turn(handle) == 0
    # Meanwhile others are queued.
    assert LiteStash.set(stash, "k", 1) == :ok
    eventually(fn -> Native.turn(handle) > 0 end)
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

  defp beat(last, late) do
    receive do
      {:stop, to} -> send(to, {:beats, late})
    after
      5 ->
        now = System.monotonic_time(:microsecond)
        beat(now, [now - last | late])
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
