defmodule LiteStash.PortTest do
  use LiteStash.Case, async: false

  @moduletag stash: nil

  setup %{dir: dir} do
    {:ok, stash: start_supervised!({LiteStash, data_dir: dir, mode: :port})}
  end

  test "an engine that is killed is replaced, and nothing acknowledged is lost", %{stash: stash} do
    {:ok, reference} = LiteStash.subscribe(stash, key: "after")

    writers =
      for process <- 1..4 do
        Task.async(fn ->
          for n <- 1..500,
              LiteStash.set(stash, {process, n} |> inspect(), n) == :ok,
              do: {inspect({process, n}), n}
        end)
      end

    for _ <- 1..3 do
      Process.sleep(30)
      System.cmd("kill", ["-9", to_string(engine(stash))])
    end

    acknowledged = writers |> Task.await_many(60_000) |> List.flatten()
    assert acknowledged != []
    assert for({key, n} <- acknowledged, LiteStash.get(stash, key) != {:ok, n}, do: key) == []
    # The subscription goes on.
    :ok = LiteStash.set(stash, "after", 1)
    assert_receive {LiteStash, ^reference, %LiteStash.Event{kind: :set, key: "after"}}, 5000
  end

  test "who waits when the engine dies is told, or asked again", %{stash: stash} do
    :ok = LiteStash.set(stash, "k", 1)
    id = to_string(engine(stash))
    System.cmd("kill", ["-STOP", id])
    write = Task.async(fn -> LiteStash.set(stash, "k", 2) end)
    read = Task.async(fn -> LiteStash.exists(stash, "k") end)
    %{state: sidecar} = LiteStash.Server.connection(stash)
    eventually(fn -> map_size(:sys.get_state(sidecar).pending) == 2 end)
    System.cmd("kill", ["-9", id])
    assert {:error, %Error{kind: :indeterminate, retry: :after_reading}} = Task.await(write, 20_000)
    assert Task.await(read, 20_000) == {:ok, true}
  end

  test "an engine that dies again and again takes its stash with it", %{dir: dir} do
    Process.flag(:trap_exit, true)
    {:ok, stash} = LiteStash.start_link(data_dir: dir, mode: :port)
    monitor = Process.monitor(stash)
    kill_until_down(stash, monitor, 50)
    assert {:error, %Error{kind: :closed}} = LiteStash.get(stash, "k")
  end

  test "no engine is left when the virtual machine's process ends", %{dir: dir} do
    {:ok, stash} = LiteStash.start_link(data_dir: dir, mode: :port)
    id = to_string(engine(stash))
    LiteStash.close(stash)
    eventually(fn -> not File.exists?("/proc/#{id}/stat") end)
  end

  test "a program that is none, or is missing, is an error", %{dir: dir} do
    Process.flag(:trap_exit, true)

    for {program, kind} <- [{"/bin/false", :io}, {"/bin/sh", :io}] do
      assert {:error, %Error{kind: ^kind}} = LiteStash.start_link(data_dir: dir, mode: :port, engine: program)
    end
  end

  defp kill_until_down(_, _, 0), do: flunk("it lives")

  defp kill_until_down(stash, monitor, left) do
    with %{state: sidecar} <- LiteStash.Server.connection(stash),
         true <- Process.alive?(sidecar) do
      try do
        System.cmd("kill", ["-9", to_string(engine(stash))], stderr_to_stdout: true)
      catch
        _, _ -> :ok
      end
    end

    receive do
      {:DOWN, ^monitor, :process, _, _} -> :ok
    after
      100 -> kill_until_down(stash, monitor, left - 1)
    end
  end
end
