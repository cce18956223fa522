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

  test "what is stale is returned while one computes the next", %{stash: stash} do
    options = [ttl: 50, stale_while_revalidate: {1, :hour}]
    assert LiteStash.get_or_set(stash, "k", fn -> 1 end, options) == {:ok, 1}
    # No deadline ends a row that may be stale for an hour.
    Process.sleep(60)
    leader = Task.async(fn -> LiteStash.get_or_set(stash, "k", fn -> wait_and(fn -> 2 end) end, options) end)
    eventually(fn -> map_size(:sys.get_state(stash).computing) == 1 end)
    assert LiteStash.get_or_set(stash, "k", fn -> flunk("somebody computes") end, options) == {:ok, 1}
    send(leader.pid, :go)
    assert Task.await(leader) == {:ok, 2}
    assert LiteStash.get(stash, "k") == {:ok, 2}
  end

  test "options are checked", %{stash: stash} do
    for options <- [[colour: :red], [if: :absent], [lease: 1], [stale_while_revalidate: 5], [lease: :long]] do
      assert {:error, %Error{kind: :invalid_argument}} =
               LiteStash.get_or_set(stash, "k", fn -> 1 end, options)
    end

    assert LiteStash.get_or_set(stash, "k", fn -> 1 end, across_processes: false) == {:ok, 1}
    bucket = LiteStash.bucket(stash, "b", default_ttl: {1, :hour})
    assert LiteStash.get_or_set(bucket, "k", fn -> 2 end) == {:ok, 2}
    assert {:ok, left} = LiteStash.ttl(bucket, "k")
    assert is_integer(left)
    assert LiteStash.get(stash, "k") == {:ok, 1}
  end

  test "of stashes on one directory one computes", %{stash: stash, dir: dir} do
    others =
      for mode <- [:nif, :port], do: start_supervised!({LiteStash, data_dir: dir, mode: mode}, id: mode)

    counter = :counters.new(1, [])

    compute = fn ->
      :counters.add(counter, 1, 1)
      Process.sleep(50)
      42
    end

    results =
      for(
        stash <- [stash | others],
        _ <- 1..10,
        do: Task.async(fn -> LiteStash.get_or_set(stash, "k", compute) end)
      )
      |> Task.await_many(20_000)

    assert Enum.uniq(results) == [{:ok, 42}]
    assert :counters.get(counter, 1) == 1
  end

  test "of several virtual machines one computes", %{stash: stash, dir: dir} do
    log = Path.join(dir, "computed")

    code = """
    compute = fn ->
      File.write!(#{inspect(log)}, "x", [:append])
      Process.sleep(100)
      System.pid()
    end

    IO.gets("ready\n")
    {:ok, pid} = LiteStash.get_or_set(stash, "k", compute)
    IO.puts(pid)
    """

    machines = for _ <- 1..3, do: machine(dir, code)
    for machine <- machines, do: assert_receive({^machine, {:data, {:eol, "ready"}}}, 30_000)
    for machine <- machines, do: Port.command(machine, "go\n")

    pids =
      for machine <- machines do
        assert_receive {^machine, {:data, {:eol, pid}}}, 30_000
        assert_receive {^machine, {:exit_status, 0}}, 30_000
        pid
      end

    assert [pid] = Enum.uniq(pids)
    assert File.read!(log) == "x"
    assert LiteStash.get(stash, "k") == {:ok, pid}
  end

  test "when the virtual machine that computes is killed, another one does", %{stash: stash, dir: dir} do
    code = """
    LiteStash.get_or_set(stash, "k", fn ->
      IO.puts(System.pid())
      Process.sleep(:infinity)
    end, lease: 100)
    """

    machine = machine(dir, code)
    assert_receive {^machine, {:data, {:eol, pid}}}, 30_000
    waiting = Task.async(fn -> LiteStash.get_or_set(stash, "k", fn -> 1 end, lease: 100) end)
    # It has the turn for as long as it lives.
    refute Task.yield(waiting, 300)
    System.cmd("kill", ["-9", pid])
    assert Task.await(waiting, 20_000) == {:ok, 1}
  end

  # Another virtual machine with the stash open.
  defp machine(dir, code) do
    opened = "{:ok, stash} = LiteStash.start_link(data_dir: #{inspect(dir)}, mode: #{inspect(mode())})\n"
    beams = Path.join(:code.lib_dir(:litestash), "ebin")
    arguments = ["-pa", beams, "-e", opened <> code]
    options = [:binary, :exit_status, line: 1000, args: arguments]
    Port.open({:spawn_executable, System.find_executable("elixir")}, options)
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
